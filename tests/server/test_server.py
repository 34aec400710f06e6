"""The web server under slow, idle, malformed and numerous connections."""

import http.client
import os
import resource
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from lumaweb.server import parser
from lumaweb.server import server as webserver

from ..chaos.processes import ProcessTree
from ..support.installation import Installation
from ..support.slow_clients import Studio, connected, studio

CALLBACK = "/callbacks/luma/00000000-0000-0000-0000-000000000000/no-key/"
KINDS = ["half a header", "half a body", "an unread video", "an unread ZIP", "an unread shared video"]
SOON = 5.0  # seconds; a server whose threads wait for such clients does not answer at all
MB = 1024**2


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("web")).start(only=("web",))
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="module")
def web(server):
    return studio(server)


def seconds_for(web: Studio, times: int = 5) -> list[float]:
    """Return how long a page, a health check and a callback take, each on a separate connection."""
    took = []
    for _ in range(times):
        for method, path, status in (("GET", "/", 200), ("GET", "/healthz", 200), ("POST", CALLBACK, 404)):
            began = time.monotonic()
            answer = httpx.request(method, web.origin + path, headers={"Cookie": web.cookies}, timeout=10)
            took.append(time.monotonic() - began)
            assert answer.status_code == status, path
    return took


def answer_to(server: Installation, *sent: bytes, read_all: bool = True) -> tuple[int, bytes]:
    """Return status and body of the response to these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        for piece in sent:
            line.sendall(piece)
        answer = http.client.HTTPResponse(line)
        answer.begin()
        return answer.status, answer.read() if read_all else b""


# ── Slow clients ──────────────────────────────────────────────────────────────────────────────────────────────


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


# ── Ranges ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("whose", ["member", "guest"])
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=1000-", 1000, 20 * MB - 1),
        ("bytes=0-", 0, 20 * MB - 1),
        ("bytes=100-199", 100, 199),
        ("bytes=-8", 20 * MB - 8, 20 * MB - 1),
        (f"bytes={20 * MB - 3}-", 20 * MB - 3, 20 * MB - 1),
    ],
)
def test_a_range_request_is_answered_completely(web, whose, asked, first, last):
    path = f"/generations/{web.uuids[3]}/video" if whose == "member" else web.guest
    answer = httpx.get(web.origin + path, headers={"Range": asked, "Cookie": web.cookies}, timeout=20)
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{20 * MB}"
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.content == (b"D" * (20 * MB - 8) + b"the end.")[first : last + 1]


@pytest.mark.servers
@pytest.mark.parametrize("whose", ["member", "guest"])
@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_an_interrupted_download_is_resumed_to_the_last_byte(web, tmp_path, whose, tool):
    whole, file = b"D" * (20 * MB - 8) + b"the end.", tmp_path / "film.mp4"
    file.write_bytes(whole[: 3 * MB])
    path = f"/generations/{web.uuids[3]}/video" if whose == "member" else web.guest
    words = {
        "curl": ["curl", "-sS", "--fail", "-C", "-", "-o", str(file)],
        "wget": ["wget", "-q", "-c", "-O", str(file)],
    }[tool]
    cookie = ["--header", f"Cookie: {web.cookies}"] if whose == "member" else []
    subprocess.run([*words, *cookie, web.origin + path], check=True, timeout=60)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("path", ["/robots.txt", "/generations/{}/video", "/healthz"])
def test_head_is_answered_without_a_body(server, web, path):
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    line.request("HEAD", path.format(web.uuids[0]), headers={"Cookie": web.cookies})
    answer = line.getresponse()
    assert answer.status == 200 and int(answer.headers["Content-Length"]) > 0
    answer.read()
    kept = line.sock
    line.request("GET", "/healthz")
    # Bytes of a body would be read as the beginning of this answer.
    assert line.getresponse().read() == b'{"ok": true}'
    assert line.sock is kept is not None
    line.close()


@pytest.mark.parametrize("path", ["/generations/{}/video", "/live/?since=9999999999&known=&newest=999999&top=1"])
def test_an_answer_without_a_body_keeps_the_connection(server, web, path):
    """Every open page polls, and would reconnect each time."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(2):
        known = {"If-None-Match": f'"{"0" * 64}"', "HX-Request": "true"}
        line.request("GET", path.format(web.uuids[0]), headers={"Cookie": web.cookies} | known)
        answer = line.getresponse()
        answer.read()
        assert answer.status in (204, 304)
        assert answer.headers["Connection"] is None and line.sock is not None
    line.close()


# ── Odd requests ──────────────────────────────────────────────────────────────────────────────────────────────


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


# ── Bodies ────────────────────────────────────────────────────────────────────────────────────────────────────

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


# ── Workers ─────────────────────────────────────────────────────────────────────────────────────────────────


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
        with pytest.raises(ConnectionRefusedError):  # and not accepted by nobody, until it ends
            while time.monotonic() < began + 5:
                with suppress(ConnectionResetError):  # at the very moment
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
