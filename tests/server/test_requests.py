"""Requests: pipelined, unreadable, with bodies at and over the limits."""

import http.client
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest
from django.conf import settings

from lumaweb.server import parser
from lumaweb.server import server as webserver

from ..chaos.processes import ProcessTree
from ..support.slow_clients import connected
from ..support.web_server import CALLBACK, MB, SOON, answer_to, seconds_for

# ── Odd requests ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pipelined_requests_get_the_first_response_only(server, web):
    with connected(server.port, [web.get("/healthz") * 3], window=MB) as [line]:
        got = b""
        while piece := line.recv(65536):
            got += piece
    assert got.count(b"HTTP/1.1 200 OK") == 1 and b"Connection: close" in got
    video = web.get(f"/generations/{web.uuids[0]}/video")
    with connected(server.port, [video * 100] * 24 + [video + web.get("/healthz")] * 24):
        assert max(seconds_for(web)) < SOON


def test_urgent_data_ends_a_connection(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.send(b"!", socket.MSG_OOB)
        with suppress(ConnectionResetError):
            assert line.recv(100) == b""
    assert "priority event" not in server.log.read_text()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET http://[/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /login/ HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST /login/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 10_000,
        b"POST /login/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 2000,
    ],
)
def test_an_unreadable_request_is_answered_400(server, sent):
    assert answer_to(server, sent)[0] == 400
    assert "Traceback" not in server.log.read_text()


def test_expect_100_continue_is_answered_only_for_accepted_bodies(server):
    head = "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n"
    assert answer_to(server, head.format(CALLBACK, 10 * MB).encode())[0] == 413
    assert answer_to(server, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n\r\n")[0] == 200
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(head.format(CALLBACK, 5).encode())
        assert line.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(b"hello")
        assert line.recv(100).startswith(b"HTTP/1.1 404 ")


# ── Bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────

LIMITS = [
    (CALLBACK, True, 64 * 1024),
    ("/login/", True, MB),
    ("/selection/zip/", True, MB),
    ("/no/such/page/", True, MB),
    ("/generations/", True, 42 * MB),
    ("/uploads/", True, 42 * MB),
    ("/generations/", False, MB),
    ("/uploads/", False, MB),
    ("/uploads/../login/", True, MB),
]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("path", "with_cookie", "limit"), LIMITS)
def test_a_body_over_its_path_s_limit_is_refused_before_it_is_read(server, web, path, with_cookie, limit, chunked):
    cookies = f"Cookie: {web.cookies}\r\n" if with_cookie else ""
    about = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {limit + 1}"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookies}{about}\r\n\r\n".encode()
    body = [b"%x\r\n%s\r\n" % (limit + 1, b"x" * (limit + 1)) + b"0\r\n\r\n"] if chunked else []
    status, words = answer_to(server, head, *body)
    assert status == 413
    assert words.startswith(b"This is too large to send. The limit here is ")


@pytest.mark.parametrize(("path", "with_cookie", "limit"), LIMITS)
def test_a_body_at_its_path_s_limit_reaches_the_application(server, web, path, with_cookie, limit):
    cookies = f"Cookie: {web.cookies}\r\n" if with_cookie else ""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookies}Content-Length: {limit}\r\n\r\n".encode()
    status, _ = answer_to(server, head, b"x" * limit)
    assert status in (302, 403, 404)


def test_a_client_that_sends_too_much_still_reads_the_response(server, web):
    """Closing a connection with unread bytes resets it, and the client would lose the response."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    line.request("POST", "/login/", body=b"x" * (45 * MB))
    assert line.getresponse().status == 413
    line.close()


def test_a_body_that_cannot_be_stored_is_refused_with_a_message(server, web):
    folder = server.folder / "uploads"
    folder.rename(folder.with_name("away"))
    try:
        status, words = answer_to(server, web.post("/generations/", b"x" * MB, "Content-Type: text/plain"))
    finally:
        folder.with_name("away").rename(folder)
    assert (status, words) == (507, b"The upload could not be stored. Ask an admin to check the free disk space.\n")
    assert max(seconds_for(web, 1)) < SOON


def test_large_bodies_are_refused_while_too_many_are_in_progress(monkeypatch):
    """A forged session cookie allows bodies as large as a member's: their sum is limited."""
    monkeypatch.setattr(parser, "MAX_TOTAL_BODY_BYTES", 5 * MB)
    cookie = f"Cookie: {settings.SESSION_COOKIE_NAME}=x"
    head = f"POST /uploads/ HTTP/1.1\r\nHost: x\r\n{cookie}\r\nContent-Length: {4 * MB}\r\n\r\n".encode()

    def receiving(size: int) -> parser.RequestParser:
        request = parser.RequestParser(webserver.Adjustments())
        request.received(head)
        for _ in range(0, size, 1024):
            request.received(b"x" * 1024)
        return request

    first, second = receiving(3 * MB), receiving(3 * MB)
    assert not first.completed
    assert isinstance(second.error, parser.TooManyBodies)
    small = receiving(MB // 2)
    assert not small.completed, "a form without large frames gets through"
    for request in (first, second, small):
        request.close()
    again = receiving(4 * MB)
    assert again.completed and not again.error
    again.close()
    assert parser.RequestParser._total_body_bytes == 0


def test_a_large_body_is_buffered_beside_the_uploads(server, web):
    """Not in the system's temporary folder, which may be memory; unnamed files leave nothing behind."""
    uploads = str(server.folder / "uploads") + "/"
    master = ProcessTree(server.process.pid).program("web")

    def kept() -> int:
        links = [
            link
            for pid in ProcessTree(server.process.pid).descendants(master)
            for link in Path(f"/proc/{pid}/fd").iterdir()
        ]
        return sum(os.readlink(link).startswith(uploads) for link in links if link.is_symlink())

    with connected(server.port, [web.requests()["half a body"]] * 3):
        end = time.monotonic() + 10
        while kept() < 3:
            assert time.monotonic() < end, "they are kept elsewhere"
            time.sleep(0.05)
        assert list((server.folder / "uploads").iterdir()) == []
