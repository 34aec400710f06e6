"""Slow clients, which delay no others."""

import resource
import time

import pytest

from lumaweb.server import server as webserver

from ..support.slow_clients import connected
from ..support.web_server import MB, SOON, seconds_for

KINDS = ["half a header", "half a body", "an unread video", "an unread ZIP", "an unread shared video"]


@pytest.mark.parametrize("kind", KINDS)
def test_slow_clients_do_not_delay_others(server, web, kind):
    with connected(server.port, [web.requests()[kind]] * 64):
        assert max(seconds_for(web)) < SOON


def test_all_kinds_of_slow_clients_together_do_not_delay_others(server, web):
    with connected(server.port, list(web.requests().values()) * 16):
        assert max(seconds_for(web)) < SOON


def test_more_connections_than_a_process_keeps_do_not_delay_others(server, web):
    most = webserver.MAX_CONNECTIONS * 2 + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, most + 1000)), hard))
    try:
        with connected(server.port, [web.requests()["half a header"]] * most):
            assert max(seconds_for(web)) < SOON
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_slow_download_is_complete(server, web):
    path = f"/generations/{web.uuids[1]}/video"
    with connected(server.port, [web.get(path)], window=MB) as [line]:
        head, _, got = line.recv(2000).partition(b"\r\n\r\n")
        while len(got) < 300_000:
            got += line.recv(4000)
            time.sleep(0.01)
        assert max(seconds_for(web, 1)) < SOON
        while len(got) < 20 * MB:
            piece = line.recv(MB)
            assert piece, len(got)
            got += piece
    assert b"200 OK" in head
    assert got == b"B" * (20 * MB - 8) + b"the end."


def test_one_fast_reader_does_not_delay_others():
    """A socket that accepts everything must still yield to other connections."""
    sent = []

    class Socket:
        def send(self, data):
            sent.append(len(data))
            return len(data)

        def getsockopt(self, *_):
            return 10 * MB

        def setblocking(self, _): ...

        def fileno(self):
            return 10**6

        def getpeername(self):
            return "127.0.0.1", 1

    class Listener:
        active_channels = {}

    adjustments = webserver.Adjustments()
    channel = webserver.Channel(Listener(), Socket(), ("127.0.0.1", 1), adjustments, map={})
    channel.outbufs[0].append(b"x" * (10 * MB))
    channel.total_outbufs_len = 10 * MB
    channel._flush_some()
    assert sum(sent) < webserver.BYTES_PER_TURN + webserver.CHUNK_SIZE
    before = sum(sent)
    channel._flush_some()
    assert sum(sent) > before, "its next turn goes on"


@pytest.mark.parametrize("idle", [True, False])
def test_the_oldest_connection_is_closed_to_accept_a_new_one(monkeypatch, idle):
    """Stalled downloads are not idle connections, but occupy places too."""
    closed, accepted = [], []

    class Connection:
        def __init__(self, last_activity, is_idle):
            self.last_activity, self.is_idle = last_activity, is_idle

        def handle_close(self):
            closed.append(self.last_activity)

    full = object.__new__(webserver.Server)
    full.active_channels = {1: Connection(1.0, False), 2: Connection(2.0, idle), 3: Connection(3.0, idle)}
    full._max_connections = 3
    monkeypatch.setattr(webserver.TcpWSGIServer, "handle_accept", lambda server: accepted.append(server))
    full.handle_accept()
    assert (closed, accepted) == ([2.0 if idle else 1.0], [full])
