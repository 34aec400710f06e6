import hashlib
import io
import socket
import ssl
import time
import tracemalloc
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from videos.media.download import (
    DownloadFailed,
    Fetched,
    NotAllowed,
    Rules,
    check_public_host,
    fetch,
    is_public_address,
    origin_of,
    probe,
)

from ..support.serving import serve

VIDEO = bytes(range(256)) * 1024
HOSTS = frozenset({"platform.cdn.acedata.cloud", ".cdn-luma.com"})


class Shelf(BaseHTTPRequestHandler):
    """A file server with bad habits, one per path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        name = self.path.split("?")[0].strip("/").partition("/")
        getattr(self, f"give_{name[0]}")(name[2])

    def reply(self, status=200, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("content_length", str(len(body)))
        for key, value in headers.items():
            if value is not None:
                self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def give_video(self, _):
        if self.headers.get("range") == "bytes=0-0":
            self.reply(206, VIDEO[:1], content_range=f"bytes 0-0/{len(VIDEO)}")
        else:
            self.reply(body=VIDEO, content_type="Video/MP4; codecs=avc1")

    def give_status(self, status):
        self.reply(int(status), b"no")

    def give_to(self, _):
        self.reply(302, location=self.path.partition("?")[2])

    def give_nowhere(self, _):
        self.reply(302)

    def give_hops(self, left):
        self.reply(307, location=f"/hops/{int(left) - 1}" if int(left) > 1 else "/video")

    def give_packed(self, _):
        self.reply(body=b"x", content_encoding="gzip")

    def give_short(self, _):
        self.reply(body=b"abc", content_length="10")
        self.close_connection = True

    def give_endless(self, _):
        self.reply(content_length=None, transfer_encoding="chunked")
        piece = b"%x\r\n%s\r\n" % (65536, b"\0" * 65536)
        with suppress(OSError):
            while True:
                self.wfile.write(piece)
        self.close_connection = True

    def drip(self, start, drop):
        self.wfile.write(start)
        with suppress(OSError):
            for _ in range(100):
                self.wfile.write(drop)
                time.sleep(0.05)
        self.close_connection = True

    def give_drip(self, _):
        self.drip(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", b"x")

    def give_driphead(self, _):
        self.drip(b"HTTP/1.1 200 OK\r\nx-slow: ", b"x")

    def log_message(self, *_):
        """Keep the test run quiet."""


@contextmanager
def serving(tls=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    server.seen = []
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = serve(server)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture(scope="module")
def shelf():
    with serving() as server:
        yield server


@pytest.fixture
def at(shelf):
    shelf.seen.clear()
    return f"http://127.0.0.1:{shelf.server_port}"


def rules(*origins, hosts=HOSTS, max_bytes=10_000_000, deadline=10.0):
    return Rules(hosts, frozenset(origin_of(origin) for origin in origins), max_bytes, deadline)


def never(host, port):
    raise AssertionError(f"{host}:{port} was resolved")


def answers(*addresses):
    return lambda host, port: list(addresses)


# What is fetched


def test_a_file_arrives_whole_from_a_trusted_origin(at, shelf):
    to = io.BytesIO()
    assert fetch(f"{at}/video", rules(at), to) == Fetched(len(VIDEO), hashlib.sha256(VIDEO).hexdigest(), "video/mp4")
    assert to.getvalue() == VIDEO
    _, headers = shelf.seen[0]
    assert headers["accept-encoding"] == "identity"
    assert headers["host"] == at.removeprefix("http://")


def test_proxies_in_the_environment_are_ignored(at, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert fetch(f"{at}/video", rules(at), io.BytesIO()).bytes == len(VIDEO)


def test_a_name_is_resolved_once_and_that_address_is_dialled(shelf):
    asked = []

    def resolve(host, port):
        asked.append((host, port))
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    at = f"http://media.example.com:{shelf.server_port}"
    shelf.seen.clear()
    assert fetch(f"{at}/video", rules(at), io.BytesIO(), resolve=resolve).bytes == len(VIDEO)
    assert asked == [("media.example.com", shelf.server_port)]
    assert shelf.seen[0][1]["host"] == f"media.example.com:{shelf.server_port}"


def test_the_next_address_is_tried_when_one_does_not_answer(shelf):
    at = f"http://media.example.com:{shelf.server_port}"
    resolve = answers("::1", "127.0.0.1")
    assert fetch(f"{at}/video", rules(at), io.BytesIO(), resolve=resolve).bytes == len(VIDEO)


@pytest.mark.parametrize("spelling", ["MEDIA.Example.COM", "media.example.com."])
def test_case_and_a_trailing_dot_do_not_make_another_origin(shelf, spelling):
    trusted = rules(f"http://media.example.com:{shelf.server_port}")
    url = f"http://{spelling}:{shelf.server_port}/video"
    assert fetch(url, trusted, io.BytesIO(), resolve=answers("127.0.0.1")).bytes == len(VIDEO)


def test_an_international_name_is_one_origin_in_both_spellings(shelf):
    trusted = rules(f"http://bücher.example.com:{shelf.server_port}")
    url = f"http://xn--bcher-kva.example.com:{shelf.server_port}/video"
    assert fetch(url, trusted, io.BytesIO(), resolve=answers("127.0.0.1")).bytes == len(VIDEO)
    assert origin_of("https://BÜCHER.example./x") == ("https", "xn--bcher-kva.example", 443)


def certificate(tmp_path, name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        cert.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def test_https_asks_for_and_verifies_the_name_though_an_address_is_dialled(tmp_path):
    path = certificate(tmp_path, "media.example.com")
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(path)
    named = []
    theirs.sni_callback = lambda _socket, name, _context: named.append(name)
    ours = ssl.create_default_context(cafile=str(path))
    with serving(theirs) as server:
        at = f"https://media.example.com:{server.server_port}"
        other = f"https://other.example.com:{server.server_port}"
        fetched = fetch(f"{at}/video", rules(at), io.BytesIO(), resolve=answers("127.0.0.1"), tls=ours)
        assert fetched.bytes == len(VIDEO)
        assert named == ["media.example.com"]
        with pytest.raises(DownloadFailed):
            fetch(f"{other}/video", rules(other), io.BytesIO(), resolve=answers("127.0.0.1"), tls=ours)
        with pytest.raises(DownloadFailed):
            fetch(f"{at}/video", rules(at), io.BytesIO(), resolve=answers("127.0.0.1"))
        assert len(server.seen) == 1


# What is not


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example.com/a.mp4",
        "https://cdn.acedata.cloud/a.mp4",
        "https://x.platform.cdn.acedata.cloud/a.mp4",
        "https://platform.cdn.acedata.cloud.evil.example/a.mp4",
        "https://cdn-luma.com/a.mp4",
        "https://evilcdn-luma.com/a.mp4",
        "https://platform.cdn.acedata.cloud:8443/a.mp4",
        "http://127.0.0.1/a.mp4",
        "http://[::1]/a.mp4",
        "http://2130706433/a.mp4",
        "https://user@platform.cdn.acedata.cloud/a.mp4",
        "https://user:word@platform.cdn.acedata.cloud/a.mp4",
        "https://@platform.cdn.acedata.cloud/a.mp4",
        "https://platform.cdn.acedata.cloud@127.0.0.1/a.mp4",
        "https://127.0.0.1\\@platform.cdn.acedata.cloud/a.mp4",
        "https://platform.cdn.acedata.cloud\\.evil.example/",
        "https://platform.cdn.acedata.cloud%2eevil.example/",
        "https://platform.cdn.acedata.cloud /a.mp4",
        "https://platform.cdn.acedata.cloud\r\nx: y/a.mp4",
        "ftp://platform.cdn.acedata.cloud/a.mp4",
        "file:///etc/passwd",
        "//platform.cdn.acedata.cloud/a.mp4",
        "https:platform.cdn.acedata.cloud/a.mp4",
        "https://platform.cdn.acedata.cloud:0/",
        "https://platform.cdn.acedata.cloud:99999/",
        "https://platform.cdn.acedata.cloud:x/",
        "https://",
        "",
    ],
)
def test_a_link_outside_the_rules_is_not_even_resolved(url):
    with pytest.raises(NotAllowed):
        fetch(url, rules(), io.BytesIO(), resolve=never)
    assert probe(url, rules(), resolve=never) is None


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["fe80::1%lo"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:7f00:1::"],
        ["8.8.8.8", "10.0.0.1"],
        ["10.0.0.1", "8.8.8.8"],
        ["2606:4700::1", "fd00::1"],
        ["not an address"],
    ],
)
@pytest.mark.parametrize("host", ["platform.cdn.acedata.cloud", "storage.cdn-luma.com", "Storage.CDN-Luma.com."])
def test_a_permitted_name_with_any_address_that_is_not_public_is_refused(host, addresses):
    with pytest.raises(NotAllowed, match="not public"):
        fetch(f"https://{host}/a.mp4", rules(), io.BytesIO(), resolve=answers(*addresses))


def test_trust_is_for_one_port_and_one_scheme(at, shelf):
    port = shelf.server_port
    for url in (
        f"https://127.0.0.1:{port}/video",
        f"http://127.0.0.1:{port + 1}/",
        f"http://localhost:{port}/",
    ):
        with pytest.raises(NotAllowed):
            fetch(url, rules(at), io.BytesIO(), resolve=never)


@pytest.mark.parametrize("resolve", [answers(), None])
def test_a_name_without_an_address_may_work_later(resolve):
    def unknown(host, port):
        raise socket.gaierror("no such name")

    with pytest.raises(DownloadFailed) as caught:
        fetch("https://platform.cdn.acedata.cloud/a", rules(), io.BytesIO(), resolve=resolve or unknown)
    assert (caught.value.status, caught.value.permanent) == (None, False)


def test_a_refused_connection_may_work_later():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        at = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(DownloadFailed) as caught:
            fetch(f"{at}/video", rules(at), io.BytesIO())
        assert not caught.value.permanent
        assert probe(f"{at}/video", rules(at)) is None


# Redirects


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_three_redirects_are_followed(at, hops):
    assert fetch(f"{at}/hops/{hops}", rules(at), io.BytesIO()).bytes == len(VIDEO)


def test_a_fourth_redirect_is_not(at, shelf):
    with pytest.raises(DownloadFailed, match="redirects") as caught:
        fetch(f"{at}/hops/4", rules(at), io.BytesIO())
    assert caught.value.permanent
    assert len(shelf.seen) == 4


@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:1/video",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "//10.0.0.1/video",
        "file:///etc/passwd",
        "https://elsewhere.example.com/video",
        "https://user@platform.cdn.acedata.cloud/a",
    ],
)
def test_a_redirect_outside_the_rules_is_not_followed(at, shelf, place):
    with pytest.raises(NotAllowed):
        fetch(f"{at}/to?{place}", rules(at), io.BytesIO())
    assert len(shelf.seen) == 1


def test_a_redirect_to_a_permitted_name_at_a_private_address_is_not_followed(at, shelf):
    def resolve(host, port):
        return ["127.0.0.1"]

    with pytest.raises(NotAllowed, match="not public"):
        fetch(f"{at}/to?http://platform.cdn.acedata.cloud/video", rules(at), io.BytesIO(), resolve=resolve)
    assert len(shelf.seen) == 1


def test_a_redirect_without_a_location_is_a_failure(at):
    with pytest.raises(DownloadFailed) as caught:
        fetch(f"{at}/nowhere", rules(at), io.BytesIO())
    assert caught.value.status == 302


# Answers


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (400, True),
        (403, True),
        (404, True),
        (410, True),
        (408, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
def test_a_link_that_is_gone_is_distinguished_from_a_temporary_failure(at, status, permanent):
    to = io.BytesIO()
    with pytest.raises(DownloadFailed) as caught:
        fetch(f"{at}/status/{status}", rules(at), to)
    assert (caught.value.status, caught.value.permanent, to.getvalue()) == (status, permanent, b"")


def test_the_cap_holds_for_an_announced_length(at):
    to = io.BytesIO()
    with pytest.raises(DownloadFailed, match="larger") as caught:
        fetch(f"{at}/video", rules(at, max_bytes=len(VIDEO) - 1), to)
    assert caught.value.permanent
    assert to.getvalue() == b""
    assert fetch(f"{at}/video", rules(at, max_bytes=len(VIDEO)), io.BytesIO()).bytes == len(VIDEO)


def test_the_cap_holds_for_an_endless_body_and_memory_stays_flat(at):
    class Sink(io.RawIOBase):
        length = 0

        def write(self, piece):
            self.length += len(piece)
            return len(piece)

    to = Sink()
    fetch(f"{at}/video", rules(at), io.BytesIO())
    tracemalloc.start()
    with pytest.raises(DownloadFailed, match="larger"):
        fetch(f"{at}/endless", rules(at, max_bytes=30_000_000), to)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 29_000_000 < to.length <= 30_000_000
    # The server's thread is measured too.
    assert peak < 3_000_000


@pytest.mark.parametrize("path", ["drip", "driphead"])
def test_a_slow_response_does_not_outlast_the_deadline(at, path):
    begin = time.monotonic()
    with pytest.raises(DownloadFailed, match="too long") as caught:
        fetch(f"{at}/{path}", rules(at, deadline=0.4), io.BytesIO())
    assert 0.3 < time.monotonic() - begin < 1.5
    assert not caught.value.permanent


def test_the_deadline_covers_the_handshake_too():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"https://127.0.0.1:{silent.getsockname()[1]}"
        begin = time.monotonic()
        with pytest.raises(DownloadFailed, match="too long"):
            fetch(f"{at}/a", rules(at, deadline=0.4), io.BytesIO())
        assert time.monotonic() - begin < 1.5


@pytest.mark.parametrize("path", ["short", "packed"])
def test_a_cut_or_compressed_body_is_a_temporary_failure(at, path):
    with pytest.raises(DownloadFailed) as caught:
        fetch(f"{at}/{path}", rules(at), io.BytesIO())
    assert not caught.value.permanent


def test_a_full_disk_is_raised_to_the_caller(at):
    class Full(io.RawIOBase):
        def write(self, piece):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fetch(f"{at}/video", rules(at), Full())


def test_a_probe_reads_one_byte_and_returns_the_status(at, shelf):
    assert probe(f"{at}/video", rules(at)) == 206
    assert shelf.seen[0][1]["range"] == "bytes=0-0"
    assert probe(f"{at}/to?/video", rules(at)) == 206
    assert [probe(f"{at}/status/{status}", rules(at)) for status in (403, 404, 410, 500)] == [
        403,
        404,
        410,
        500,
    ]
    assert probe(f"{at}/endless", rules(at)) == 200
    assert probe(f"{at}/driphead", rules(at, deadline=0.3)) is None


# Addresses and links


@pytest.mark.parametrize(
    "ip", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::5", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses(ip):
    assert is_public_address(ip)


@pytest.mark.parametrize(
    "ip",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.0.9",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1%eth0",
        "fec0::1",
        "ff02::1",
        "",
        "example.com",
        "127.1",
    ],
)
def test_addresses_that_are_not_public(ip):
    assert not is_public_address(ip)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png",
        "HTTP://Example.COM:8080/a.png?b=c#d",
        "https://example.com./a",
        "https://bücher.example/ü.png",
        "https://8.8.8.8/a",
        "https://[2606:4700::1111]/a",
        "https://a_b.example.com/",
        "https://localhost.example.com/",
        "https://example.com",
        "https://example.com/@x:y",
        "https://example.com?u=me@home",
    ],
)
def test_links_a_provider_can_reach(url):
    assert check_public_host(url) == ""


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "not a link"),
        ("a b", "not a link"),
        ("https://exa mple.com/", "not a link"),
        ("https://example.com/\0", "not a link"),
        ("https://example.com/\ud800", "not a link"),
        ("https://example.com\\@127.0.0.1/", "not a link"),
        ("example.com/a.png", "starts with"),
        ("javascript:alert(1)", "starts with"),
        ("ftp://example.com/", "starts with"),
        ("https:/example.com", "starts with"),
        ("https://", "names no host"),
        ("https:///a", "names no host"),
        ("https://./", "names no host"),
        ("https://a..b.com/", "link"),
        ("https://-/", "names no host"),
        ("https://%31%32%37.0.0.1/", "names no host"),
        ("https://" + "a" * 64 + ".com/", "names no host"),
        ("https://example.com:0/", "names no port"),
        ("https://example.com:99999/", "link"),
        ("https://me@example.com/", "user name"),
        ("https://me:word@example.com/", "user name"),
        ("https://example.com@127.0.0.1/", "user name"),
        ("https://@example.com/", "user name"),
        ("http://localhost/", "this machine"),
        ("http://LOCALHOST.:8000/", "this machine"),
        ("http://a.localhost/", "this machine"),
        ("http://printer/", "private network"),
        ("http://printer.local/", "private network"),
        ("http://metadata.google.internal/", "private network"),
        ("http://router.lan/", "private network"),
        ("http://x.home.arpa/", "private network"),
        ("http://127.0.0.1:8000/", "private network"),
        ("http://127.1/", "private network"),
        ("http://2130706433/", "private network"),
        ("http://0x7f000001/", "private network"),
        ("http://0x7f.0.0.1/", "private network"),
        ("http://0177.0.0.1/", "link"),
        ("http://127\u30020\u30020\u30021/", "private network"),
        ("http://127.0.0.1./", "private network"),
        ("http://0/", "private network"),
        ("http://192.168.0.1/", "private network"),
        ("http://169.254.169.254/", "private network"),
        ("http://[::1]/", "private network"),
        ("http://[::ffff:127.0.0.1]/", "private network"),
        ("http://[::ffff:7f00:1]/", "private network"),
        ("http://[fd00::1]/", "private network"),
        ("http://[fe80::1%25eth0]/", "link"),
        ("http://[::1/", "link"),
        ("http://1.2.3.4.5/", "names no host"),
        ("http://256.256.256.256/", "link"),
        ("http://example.99999999999/", "names no host"),
        ("http://\uff11\uff12\uff17.0.0.1/", "link"),
    ],
)
def test_links_a_provider_cannot_reach(url, reason):
    assert reason in check_public_host(url)


def test_a_configured_origin_is_a_link_like_any_other():
    origins = frozenset({origin_of("http://127.0.0.1:8801")})
    assert check_public_host("http://127.0.0.1:8801/files/a.mp4", origins) == ""
    assert check_public_host("http://127.0.0.1:8802/files/a.mp4", origins)
    assert check_public_host("http://me@127.0.0.1:8801/files/a.mp4", origins)


def test_origins_have_their_default_ports():
    assert origin_of("HTTPS://Example.com/a?b") == ("https", "example.com", 443)
    assert origin_of("http://[::1]:8801/") == ("http", "::1", 8801)
    with pytest.raises(NotAllowed):
        origin_of("not a link")
