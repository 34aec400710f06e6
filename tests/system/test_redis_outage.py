"""Redis is killed under load: videos are sent all the same, none twice, and the cause is named everywhere."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from ..support.installation import ROOT, Installation, Visitor, a_free_port

pytestmark = pytest.mark.servers


class Redis:
    """A Redis on a separate port that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.port = folder, a_free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "`.ci/servers` installs it"
        with (self.folder / "log").open("a") as log:
            argv = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path / "redis")
    yield server
    server.kill()


@pytest.fixture
def site(tmp_path, redis):
    site = Installation(tmp_path / "site", REDIS_URL=redis.url)
    site.env["LUMAWEB_PUBLIC_URL"] = site.url
    try:
        yield site.start()
    finally:
        site.stop()


def ready(site: Installation) -> httpx.Response:
    return httpx.get(f"{site.url}/readyz", trust_env=False, timeout=10)


def wait_until(condition, seconds: float, site: Installation):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, site.log.read_text()[-4000:]
        time.sleep(0.3)
    return result


def test_videos_are_sent_once_while_redis_is_away_and_saved_when_it_is_back(site, redis):
    ada = site.visitor()
    uuids = [ada.submit(prompt=f"Before {number} [lost]") for number in range(4)]
    redis.kill()
    uuids += [ada.submit(prompt=f"After {number}") for number in range(4)]
    for uuid in uuids:
        ada.wait_for(uuid, "completed", seconds=60)

    answer = wait_until(lambda: (got := ready(site)).status_code == 503 and got, 20, site)
    assert answer.json()["problems"] == {
        "redis": "Redis does not work: nothing listens there. The ticker sends new videos meanwhile."
    }
    ada.post("/settings/health/")
    page = wait_until(
        lambda: 'data-state="checked"' in (got := ada.http.get("/settings/health/").text) and got, 60, site
    )
    assert 'data-code="redis-refused"' in page and "Start Redis, or correct the host and the port in" in page
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"], cwd=ROOT, env=site.env, capture_output=True, text=True
    )
    assert "fail  queue: The queue in Redis does not work: nothing listens there." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr and not done.stderr, done.stderr

    outlives_the_watchdog(site, ada)
    redis.start()
    for uuid in uuids:
        assert ada.wait_until_saved(uuid, seconds=90)[4:8] == b"ftyp"
    wait_until(lambda: ready(site).status_code == 200, 60, site)
    paid = Counter(prompts_of(site))
    assert len(paid) == len(uuids) + 1 and set(paid.values()) == {1}, paid
    log = site.log.read_text()
    assert "Traceback" not in log and "killing it" not in log, log
    assert log.count("Redis does not work") < 30, "once in a while, not each time"


def test_a_start_without_redis_waits_for_it_and_sends_meanwhile(tmp_path, redis):
    redis.kill()
    site = Installation(tmp_path / "site", REDIS_URL=redis.url)
    try:
        site.start(only=("web", "worker", "ticker", "sandbox"))
        ada = site.visitor()
        uuid = ada.submit(prompt="Sent without a worker")
        ada.wait_for(uuid, "completed", seconds=60)
        redis.start()
        assert ada.wait_until_saved(uuid, seconds=90)[4:8] == b"ftyp"
    finally:
        site.stop()
    log = site.log.read_text()
    assert "Redis does not work: nothing listens there. The workers wait for it." in log
    assert "Traceback" not in log, log


def outlives_the_watchdog(site: Installation, ada: Visitor) -> None:
    """Stay without Redis for longer than the supervisor waits for a heartbeat."""
    began = time.monotonic()
    uuid = ada.submit(prompt="Much later")
    ada.wait_for(uuid, "completed", seconds=40)
    wait_until(lambda: time.monotonic() - began > 50, 60, site)


def prompts_of(site: Installation) -> list[str]:
    printed = subprocess.run(
        [sys.executable, "-m", "videos.sandbox", "--ledger"],
        cwd=ROOT, env=site.env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    tasks = [json.loads(line) for line in printed.stdout.splitlines()]
    return [str(task) for task in tasks]
