"""Web processes that die, and stops with open downloads."""

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from lumaweb.server import server as webserver

from ..chaos.processes import ProcessTree
from ..support.installation import Installation
from ..support.slow_clients import connected, studio
from ..support.web_server import MB


@pytest.fixture
def site(tmp_path):
    site = Installation(tmp_path / "site").start(only=("web",))
    try:
        yield site
    finally:
        site.stop()


def test_a_web_process_that_dies_is_replaced_while_the_other_answers(site):
    tree = ProcessTree(site.process.pid)
    first, second = tree.descendants(tree.program("web"))
    os.kill(first, signal.SIGKILL)
    assert httpx.get(f"{site.url}/healthz", timeout=5).status_code == 200
    end = time.monotonic() + 20
    while len(now := ProcessTree(site.process.pid).descendants(tree.program("web"))) < 2:
        assert time.monotonic() < end, "it was not replaced"
        time.sleep(0.05)
    assert second in now and first not in now


def test_no_web_process_outlives_the_parent(site):
    master = ProcessTree(site.process.pid).program("web")
    workers = ProcessTree(site.process.pid).descendants(master)
    os.kill(master, signal.SIGKILL)
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < end, "they still run"
        time.sleep(0.05)


def test_a_stop_ends_stalled_downloads(site):
    web = studio(site, videos=1)
    with connected(site.port, [web.requests()["an unread video"]] * 8):
        began = time.monotonic()
        site.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionRefusedError):  # and is not left waiting in the socket's backlog
            while time.monotonic() < began + 5:
                with suppress(ConnectionResetError, TimeoutError):  # just before it closes
                    socket.create_connection(("127.0.0.1", site.port), timeout=1).close()
        assert site.process.poll() is None
        site.stop()
    assert time.monotonic() - began < webserver.SHUTDOWN_TIMEOUT + 6
    assert "cannot be killed" not in site.log.read_text()


def test_a_stop_lets_active_downloads_finish(site):
    web = studio(site, videos=1)
    with connected(site.port, [web.requests()["an unread video"]], window=MB) as [line]:
        got = line.recv(1000)
        site.process.send_signal(signal.SIGTERM)
        while piece := line.recv(1024 * 1024):
            got += piece
    assert got.endswith(b"the end.")
