"""A whole installation whose database another process locks."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ..support.installation import ROOT, Installation

pytestmark = pytest.mark.embedded

# Longer than the watchdog's timeout for a silent cluster, and than one wait for the lock.
LOCKED_FOR = 55.0  # seconds


@pytest.fixture
def site(tmp_path):
    site = Installation(tmp_path / "data", SANDBOX_ACCEPT_SECONDS="2", SANDBOX_SECONDS="1")
    yield site.start()
    site.stop()


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def read(site: Installation, query: str) -> list[tuple]:
    with sqlite3.connect(f"file:{site.folder / 'lumaweb.sqlite3'}?mode=ro", uri=True) as database:
        return database.execute(query).fetchall()


def states(site: Installation) -> list[str]:
    return [state for (state,) in read(site, "SELECT state FROM videos_generation ORDER BY id")]


def lock(site: Installation) -> sqlite3.Connection:
    database = sqlite3.connect(site.folder / "lumaweb.sqlite3", isolation_level=None, timeout=20)
    database.execute("BEGIN IMMEDIATE")
    return database


def spooled(site: Installation) -> list[Path]:
    return sorted((site.folder / "unsaved-answers").glob("*.json"))


def accepted(site: Installation) -> int:
    """Return how many tasks the provider has created."""
    done = subprocess.run(
        [sys.executable, "-m", "videos.sandbox", "--ledger"],
        cwd=ROOT,
        env=site.env,
        capture_output=True,
        text=True,
        check=True,
    )
    return len(done.stdout.splitlines())


def submit_until_sending(site: Installation, prompt: str) -> str:
    uuid = site.visitor().submit(prompt=prompt, action="generate")
    wait_for(lambda: states(site)[-1] == "submitting", seconds=20)
    return uuid


def test_answers_survive_a_long_lock_and_a_restart_and_nothing_is_sent_twice(site):
    first = submit_until_sending(site, "while it is locked")
    held = lock(site)
    wait_for(lambda: spooled(site))
    assert oct(spooled(site)[0].stat().st_mode & 0o777) == "0o600"
    said = json.loads(spooled(site)[0].read_text())
    assert said["uuid"] == first
    end = time.monotonic() + LOCKED_FOR
    wait_for(lambda: time.monotonic() > end, seconds=LOCKED_FOR + 5)
    assert "no heartbeat" not in site.log.read_text(), "the watchdog has killed a worker that held an answer"
    held.close()
    visitor = site.visitor()
    visitor.wait_for(first, "completed", seconds=90)
    wait_for(lambda: not spooled(site))

    second = submit_until_sending(site, "while it is stopped")
    held = lock(site)
    wait_for(lambda: spooled(site))
    site.stop()
    assert json.loads(spooled(site)[0].read_text())["uuid"] == second
    assert states(site)[-1] == "submitting"
    held.close()
    site.start()
    site.visitor().wait_for(second, "completed", seconds=90)
    assert not spooled(site)
    assert accepted(site) == 2
    assert os.listdir(site.folder / "unsaved-answers") == []
