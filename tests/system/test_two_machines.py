"""Two machines with one PostgreSQL, Redis and bucket: kill each process under load, then a machine.

The provider's ledger says afterwards what was paid for, and the bucket what was kept.
"""

import json
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

import httpx
import pytest

from ..chaos.processes import ProcessTree
from ..support import servers
from ..support.cookies import cookie_named
from ..support.installation import PASSWORD, ROOT, Installation, a_free_port
from ..support.s3_server import S3Server

pytestmark = pytest.mark.servers

VIDEOS = 60
SECONDS = 18.0  # over which they are asked for
SETTLED_WITHIN = 200.0  # a download's lease and a silent POST's patience are a minute each


class Balancer:
    """Forward each connection to the next machine that listens."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                visitor, _ = self.listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(visitor,), daemon=True).start()

    def _serve(self, visitor: socket.socket) -> None:
        with visitor, selectors.DefaultSelector() as selector:
            server = self._connect()
            if server is None:
                return
            with server:
                other = {visitor: server, server: visitor}
                for end in other:
                    selector.register(end, selectors.EVENT_READ)
                while True:
                    for key, _ in selector.select(60):
                        try:
                            piece = key.fileobj.recv(65536)
                            if not piece:
                                return
                            other[key.fileobj].sendall(piece)
                        except OSError:
                            return

    def _connect(self) -> socket.socket | None:
        self.ports = [*self.ports[1:], self.ports[0]]
        for port in self.ports:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=2)
            except OSError:
                continue
        return None

    def close(self) -> None:
        self.listener.close()


class Member:
    """Submit videos, and resend what was not answered, as a browser's retry does."""

    def __init__(self, url: str, seed: int) -> None:
        self.luck = random.Random(seed)
        self.http = httpx.Client(base_url=url, timeout=10, trust_env=False)
        self.failures: list[str] = []

    def work(self, videos: int) -> None:
        try:
            self._until_answered(lambda: self.http.get("/login/"))
            self._until_answered(lambda: self._post("/login/", username="ada", password=PASSWORD))
            began = time.monotonic()
            for number in range(videos):
                time.sleep(max(0.0, began + SECONDS * number / videos - time.monotonic()))
                key = str(uuid.UUID(int=self.luck.getrandbits(128), version=4))
                words = self.luck.choice(["", "", "", "[lost]", "[twice]", "[early]"])
                fields = {"submission_key": key, "prompt": f"number {number} of {key[:4]} {words}", "mode": "text"}
                answer = self._until_answered(lambda asked=fields: self._post("/generations/", **asked))
                assert answer.status_code in (200, 302), answer.text
        except Exception as error:
            self.failures.append(repr(error))

    def _post(self, path: str, **fields: str) -> httpx.Response:
        return self.http.post(path, data=fields | {"csrfmiddlewaretoken": cookie_named(self.http, "csrf")[1]})

    def _until_answered(self, ask) -> httpx.Response:
        patience = time.monotonic() + 60
        while True:
            try:
                answer = ask()
                if answer.status_code < 500:
                    return answer
                reason = f"{answer.status_code}: {answer.text[:300]}"
            except httpx.TransportError as error:
                reason = repr(error)
            assert time.monotonic() < patience, f"nobody answers: {reason}"
            time.sleep(0.3)


@pytest.fixture
def provider(tmp_path):
    """Run the sandbox as a separate machine; yield its port."""
    port = a_free_port()
    env = os.environ | {
        "LUMAWEB_DATA_DIR": str(tmp_path / "provider"), "SANDBOX_PORT": str(port), "SANDBOX_SCALE": "0.05",
        "SANDBOX_SECONDS": "1", "SANDBOX_ACCEPT_SECONDS": "0.4",
    }  # fmt: skip
    (tmp_path / "provider").mkdir()
    with (tmp_path / "provider.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "videos.sandbox"], cwd=ROOT, env=env, stdout=log, stderr=log)
    yield port
    process.send_signal(signal.SIGTERM)
    process.wait(20)


@pytest.fixture
def bucket(tmp_path):
    server = S3Server(tmp_path / "bucket").start()
    yield server
    server.stop()


@pytest.fixture
def machines(tmp_path, provider, bucket):
    """Run two machines behind one balancer."""
    shared = servers.both() | bucket.env | {
        "LUMAWEB_LUMA_BASE_URL": f"http://127.0.0.1:{provider}", "SANDBOX_PORT": str(provider),
        "LUMAWEB_LUMA_TOKEN": "sandbox-studio",
    }  # fmt: skip
    ports = [a_free_port(), a_free_port()]
    balancer = Balancer(ports)
    shared["LUMAWEB_PUBLIC_URL"] = balancer.url
    pair = [Installation(tmp_path / name, **shared, PORT=str(port)) for name, port in zip("ab", ports, strict=True)]
    for machine, port in zip(pair, ports, strict=True):
        machine.port, machine.url = port, f"http://127.0.0.1:{port}"
    try:
        for machine in pair:
            machine.start(only=("web", "worker", "ticker"))
        pair[1].python("from videos.models import ApiToken\nApiToken.objects.update(max_in_flight=40)")
        yield *pair, balancer
    finally:
        balancer.close()
        for machine in pair:
            machine.stop()


def kill_the_machine(machine: Installation) -> None:
    """Kill all its processes at once, like a power failure."""
    root = machine.process.pid
    tree = [root, *ProcessTree(root).descendants(root)]
    for how in (signal.SIGSTOP, signal.SIGKILL):
        for pid in tree:
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                continue
    machine.process.wait(10)


def being_sent(machine: Installation) -> list[str]:
    rows = "Generation.objects.filter(state='submitting')"
    return machine.python(f"from videos.models import Generation\nfor row in {rows}: print(row.uuid)").split()


AUDIT = """
import json
from pathlib import Path
from uuid import UUID
from tests.chaos.audit import compare, read_ledger
folder = Path({folder!r})
killed = {{UUID(uuid): times for uuid, times in json.loads({killed!r}).items()}}
found = compare(read_ledger(folder), folder / "sandbox" / "media", killed)
print(json.dumps({{"broken": found.violations, "outcomes": found.outcomes, "unconfirmed": found.unconfirmed}}))
"""

AT_WORK = """
from videos.models import Generation
from videos.models.state import OPEN
print(Generation.objects.filter(state__in=OPEN).count() + Generation.objects.filter(archive="remote").count())
"""

SAVED = """
from videos.models import Generation
for row in Generation.objects.filter(archive="saved"): print(row.uuid, row.sha256)
"""


def test_nothing_is_paid_twice_or_lost_if_one_of_two_machines_dies(machines, tmp_path):
    first, second, balancer = machines
    members = [Member(balancer.url, seed) for seed in (1, 2)]
    threads = [threading.Thread(target=member.work, args=(VIDEOS // 2,)) for member in members]
    for thread in threads:
        thread.start()
    killed: dict[str, list[float]] = {}

    def note() -> None:
        for one in being_sent(second):
            killed.setdefault(one, []).append(time.time())

    time.sleep(SECONDS * 0.25)
    os.kill(ProcessTree(second.process.pid).program("web"), signal.SIGKILL)
    time.sleep(SECONDS * 0.2)
    note()
    os.killpg(ProcessTree(second.process.pid).program("worker"), signal.SIGKILL)
    note()
    time.sleep(SECONDS * 0.25)
    note()
    kill_the_machine(first)
    note()
    for thread in threads:
        thread.join()
    assert [member.failures for member in members] == [[], []]

    def audit() -> dict:
        script = AUDIT.format(folder=str(tmp_path / "provider"), killed=json.dumps(killed))
        return json.loads(second.python(script).splitlines()[-1])

    deadline = time.monotonic() + SETTLED_WITHIN
    # An unconfirmed video is not under way until a look-up finds it, and is saved after that.
    while ((left := int(second.python(AT_WORK))) or (found := audit())["broken"]) and time.monotonic() < deadline:
        time.sleep(1)
    assert left == 0, f"{left} still under way; {second.log.read_text()[-3000:]}"
    assert found["broken"] == {}, found
    assert sum(found["outcomes"].values()) == VIDEOS
    # Only what a process was sending when it was killed may be in doubt.
    assert found["outcomes"]["completed"] >= VIDEOS - len(killed)

    visitor = second.visitor()
    some = [line.split() for line in second.python(SAVED).splitlines()][:5]
    for one, _ in some:
        answer = visitor.http.get(f"/generations/{one}/video")
        assert answer.status_code == 200 and answer.content[4:8] == b"ftyp"
        assert answer.history, "the bucket's own link was expected"
