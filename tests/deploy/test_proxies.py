"""The example configurations of nginx and Caddy, in front of a running installation."""

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from ..support import slow_clients
from ..support.cookies import cookie_named
from ..support.deployment import DEPLOY, servers
from ..support.installation import Visitor, a_free_port
from ..support.proxies import KEY, Caddy, Nginx, ProxiedSite

CALLBACK = "/callbacks/luma/00000000-0000-0000-0000-000000000000/no-key/"


@pytest.fixture(scope="module", params=[Nginx, Caddy], ids=["nginx", "caddy"])
def site(request, tmp_path_factory) -> Iterator[ProxiedSite]:
    folder = tmp_path_factory.mktemp(request.param.name)
    site = ProxiedSite(request.param(folder / "front"), folder / "data")
    try:
        yield site.start()
    finally:
        site.stop()


@servers
def test_members_sign_in_through_the_proxy_and_their_cookies_are_bound_to_it(site):
    cookies = {cookie.name: cookie for cookie in site.ada.http.cookies.jar}
    kinds = sorted(re.fullmatch("__Host-lumaweb_([a-z]+)_[0-9a-f]{8}", name).group(1) for name in cookies)
    assert kinds == ["csrf", "session"]
    assert all(cookie.secure and cookie.path == "/" for cookie in cookies.values())
    assert "max-age=31536000" in site.ada.signed_in.headers["Strict-Transport-Security"]


@servers
def test_http_only_redirects_to_https(site):
    answer = httpx.get(f"http://localhost:{site.front.http_port}/team/?a=b", trust_env=False)
    assert answer.status_code in (301, 308)
    assert answer.headers["Location"] == f"{site.front.url}/team/?a=b"


@servers
def test_http_2_is_offered_to_browsers(site):
    offer = ssl.create_default_context(cafile=str(site.front.public))
    offer.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", site.front.port), 5) as plain,
        offer.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.selected_alpn_protocol() == "h2"


@servers
def test_pages_keep_lumaweb_s_compression_and_static_files_are_immutable(site):
    page = site.ada.http.get("/", headers={"Accept-Encoding": "br, gzip"})
    assert page.headers["Content-Encoding"] == "br"
    style = re.search(r'href="(/static/css/[^"]+\.css)"', page.text).group(1)
    sheet = site.ada.http.get(style, headers={"Accept-Encoding": "br, gzip"})
    assert sheet.headers["Content-Encoding"] == "br"
    assert "immutable" in sheet.headers["Cache-Control"]


@servers
def test_the_proxy_sends_a_video_after_lumaweb_has_authorised_the_request(site):
    path = f"/generations/{site.uuid}/video"
    # Without the proxy, Lumaweb only names the file in a header.
    past = httpx.get(
        site.installation.url + path,
        headers={"X-Forwarded-Proto": "https", "Cookie": cookies_of(site.ada)},
        trust_env=False,
    )
    assert past.status_code == 200, past.text
    named = past.headers["X-Accel-Redirect"]
    assert named.startswith("/protected-media/videos/") and past.content == b""
    whole = site.ada.http.get(path)
    assert "X-Accel-Redirect" not in whole.headers
    assert whole.headers["Content-Type"] == "video/mp4"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in whole.headers["Cache-Control"] and "private" in whole.headers["Cache-Control"]
    assert "default-src 'none'" in whole.headers["Content-Security-Policy"]
    saved = site.installation.folder / "media" / named.removeprefix("/protected-media/")
    assert whole.content == saved.read_bytes()
    assert len(whole.headers.get_list("Content-Type")) == len(whole.headers.get_list("Cache-Control")) == 1
    # Django's access log counts the bytes that Django sent: none of this video.
    assert site.ada.http.head(path).headers["Content-Length"] == str(len(whole.content))


def cookies_of(visitor: Visitor) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.http.cookies.jar)


@servers
def test_videos_support_ranges_and_conditional_requests(site):
    path = f"/generations/{site.uuid}/video"
    size = len(site.video)
    part = site.ada.http.get(path, headers={"Range": "bytes=100-299"})
    assert part.status_code == 206
    assert part.headers["Content-Range"] == f"bytes 100-299/{size}"
    assert part.content == site.video[100:300]
    tail = site.ada.http.get(path, headers={"Range": "bytes=-50"})
    assert (tail.status_code, tail.content) == (206, site.video[-50:])
    assert site.ada.http.get(path, headers={"Range": f"bytes={size + 5}-"}).status_code == 416
    etag = part.headers["ETag"]
    assert site.ada.http.get(path, headers={"If-None-Match": etag}).status_code == 304
    going_on = site.ada.http.get(path, headers={"Range": "bytes=5-9", "If-Range": etag})
    assert (going_on.status_code, going_on.content) == (206, site.video[5:10])
    changed = site.ada.http.get(path, headers={"Range": "bytes=5-9", "If-Range": '"another"'})
    assert (changed.status_code, len(changed.content)) == (200, size)


@servers
def test_a_download_keeps_its_name(site):
    answer = site.ada.http.get(f"/generations/{site.uuid}/video?download=1")
    assert answer.content == site.video
    assert answer.headers["Content-Disposition"].startswith("attachment")


@servers
@pytest.mark.parametrize(
    "path",
    [
        "/protected-media/{video}",
        "/protected-media/../lumaweb.sqlite3",
        "/protected-media/..%2flumaweb.sqlite3",
        "/protected-media../lumaweb.sqlite3",
        "/protected-media/videos/../../secret-key",
        "/static/../secret-key",
        "/static/..%2f..%2fsecret-key",
        "//protected-media/{video}",
        "/x/../protected-media/{video}",
        "/%70rotected-media/{video}",
    ],
)
def test_files_cannot_be_fetched_by_their_path_on_disk(site, path):
    media = site.installation.folder / "media"
    video = next(media.glob("videos/*/*.mp4"))
    path = path.format(video=video.relative_to(media))
    for cookies in ("", cookies_of(site.ada)):
        status, _, body = site.front.ask("GET", path, Cookie=cookies)
        assert status != 200 or b"<html" in body, path
        assert body[:64] != video.read_bytes()[:64]
        assert b"SQLite format" not in body
        assert (site.installation.folder / "secret-key").read_bytes() not in body


@servers
def test_the_proxy_sends_no_video_without_a_session(site):
    status, headers, body = site.front.ask("GET", f"/generations/{site.uuid}/video")
    assert status == 302 and headers["location"].startswith("/login/")
    assert site.video[:64] not in body


@servers
def test_the_proxy_refuses_bodies_over_the_limit(site):
    address = f"/callbacks/luma/{site.uuid}/{KEY}/"
    kind = {"Content_Type": "application/json"}
    assert site.front.ask("POST", address, b"x" * 64 * 1024, **kind)[0] == 404
    assert site.front.ask("POST", address, b"x" * (64 * 1024 + 1), **kind)[0] == 413
    assert site.front.ask("POST", "/login/", b"x" * (2 * 1024 * 1024))[0] == 413
    member = {
        "Cookie": cookies_of(site.ada),
        "X_CSRFToken": cookie_named(site.ada.http, "csrf")[1],
        "Referer": f"{site.front.url}/",
        "Content_Type": "multipart/form-data; boundary=line",
    }
    form = b'--line\r\nContent-Disposition: form-data; name="start_image"; filename="a.jpg"\r\n\r\n'
    assert site.front.ask("POST", "/generations/", form + b"x" * (45 * 1024 * 1024), **member)[0] == 413
    # Nobody else has to wait for these clients.
    assert site.front.ask("GET", "/healthz")[0] == 200


@servers
def test_the_limit_also_holds_for_chunked_bodies(site):
    piece = b"2000\r\n" + b"x" * 8192 + b"\r\n"
    address = f"/callbacks/luma/{site.uuid}/{KEY}/"
    status, _, _ = site.front.ask("POST", address, piece * 64 + b"0\r\n\r\n", Transfer_Encoding="chunked")
    # Lumaweb checks the key before it reads the body; the proxy may refuse the body first.
    assert status in (404, 413)


@servers
def test_slow_clients_do_not_delay_others(site):
    filled = slow_clients.studio(site.installation, member=site.ada.http)
    tls = ssl.create_default_context(cafile=str(site.front.public))
    with slow_clients.connected(site.front.port, list(filled.requests().values()) * 16, tls=tls):
        for _ in range(5):
            for method, path, expected in (("GET", "/", 200), ("GET", "/healthz", 200), ("POST", CALLBACK, 404)):
                began = time.monotonic()
                assert site.front.ask(method, path, Cookie=filled.cookies)[0] == expected
                assert time.monotonic() - began < 5


@servers
def test_two_large_frames_pass(site):
    """The form explains a frame that is too large; the proxy must let it through."""
    picture = b"\xff\xd8\xff" + b"x" * (20 * 1024 * 1024 - 3)
    answer = site.ada.post(
        "/generations/",
        files={"start_image": ("a.jpg", picture), "end_image": ("b.jpg", picture)},
        action="generate",
        prompt="Two frames",
    )
    assert answer.status_code == 422 and "picture" in answer.text


@servers
def test_callbacks_pass_through_the_proxy(site):
    story = site.installation.python(
        "from videos.models import Event\nprint(*Event.objects.values_list('kind', 'text'), sep='\\n')"
    )
    assert "callback" in story, story


@servers
def test_internal_health_pages_are_not_public(site):
    assert site.front.ask("GET", "/readyz")[0] == 404
    assert site.front.ask("GET", "/metrics")[0] == 404
    assert site.front.ask("GET", "/healthz")[0] == 200


SECRET_ADDRESSES = (
    "/callbacks/luma/{uuid}/{key}/",
    "/frames/{key}.jpg",
    "/clips/{key}.mp4",
    "/invitations/{key}/",
    "/password/MQ/{key}/",
    "/sign-in/{key}/",
    "/sign-in/{key}/oidc/",
    "/invitations/{key}/oidc/",
    "/watch/{uuid}/{key}/",
    "/watch/{uuid}/{key}/{uuid}/video",
)


def test_the_proxy_redacts_the_same_paths_as_lumaweb():
    """A new secret path must be added to the proxies' files too."""
    from lumaweb.logs import SECRET_PATHS, redact

    beginnings = set(re.findall(r"[a-z-]+(?=/\[|\||\))", SECRET_PATHS.pattern)) - {"luma"}
    assert beginnings <= {address.split("/")[1] for address in SECRET_ADDRESSES}
    for address in SECRET_ADDRESSES:
        assert KEY not in redact(address.format(uuid="0" * 8, key=KEY))
    for file in ("nginx.conf", "Caddyfile"):
        assert all(beginning in (DEPLOY / file).read_text() for beginning in beginnings), file


@servers
def test_the_proxy_logs_no_secret_path(site):
    for address in SECRET_ADDRESSES:
        path = address.format(uuid=site.uuid, key=KEY)
        site.front.ask("GET", path, Referer=f"{site.front.url}{path}")
        with suppress(OSError, http.client.HTTPException):
            site.front.ask("POST", path, b"x" * (3 * 1024 * 1024))
    site.front.ask("GET", f"/login/?next=/watch/{site.uuid}/{KEY}/")
    site.front.ask(
        "GET", f"/?q={KEY}", Cookie=f"{cookie_named(site.ada.http, 'session')[0]}={KEY}", Authorization=f"Bearer {KEY}"
    )
    assert KEY not in site.front.logs()


@servers
def test_clients_cannot_name_a_member(site):
    """Lumaweb believes the proxy's address, and the proxy passes no such header on."""
    direct = {"X-Forwarded-Proto": "https", "Host": f"localhost:{site.front.port}"}

    def opens_the_profile(url: str, **options) -> bool:
        with httpx.Client(trust_env=False, timeout=20, **options) as client:
            return client.get(f"{url}/profile/").status_code == 200

    assert opens_the_profile(site.installation.url, headers=direct | {"Remote-User": "ada"})
    assert not opens_the_profile(site.installation.url, headers=direct | {"Remote_User": "ada"})
    for name in ("Remote-User", "remote-user", "REMOTE_USER", "Remote_User"):
        assert not opens_the_profile(site.front.url, verify=site.front.tls, headers={name: "ada"}), name
    twice = [("Remote-User", "ada"), ("Remote_User", "ada"), ("Connection", "Remote-User")]
    assert not opens_the_profile(site.front.url, verify=site.front.tls, headers=twice)


class ShowHeaders(BaseHTTPRequestHandler):
    """Respond with the headers of the request."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.headers).encode())

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def upstream() -> Iterator[int]:
    """The port of a server that shows which headers reach it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), ShowHeaders) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@servers
@pytest.mark.parametrize("kind", [Nginx, Caddy], ids=["nginx", "caddy"])
def test_a_proxy_that_authenticates_replaces_the_member_that_a_client_names(kind, tmp_path, upstream):
    front = kind(tmp_path / "front", kind.authenticating)
    front.start(upstream, tmp_path / "media")
    try:
        body = front.ask("GET", "/", Remote_User="grace", X_Forwarded_User="grace")[2].decode()
        assert "Remote-User: ada\n" in body and "grace" not in body
    finally:
        front.stop()


@servers
def test_caddy_removes_the_header_that_the_variable_names(tmp_path, upstream, monkeypatch):
    monkeypatch.setenv("LUMAWEB_AUTH_HEADER", "X-Member")
    front = Caddy(tmp_path / "front")
    front.start(upstream, tmp_path / "media")
    try:
        assert "grace" not in front.ask("GET", "/", X_Member="grace", Remote_User="grace")[2].decode()
        assert "grace" in front.ask("GET", "/", X_Another="grace")[2].decode()
    finally:
        front.stop()


@servers
def test_clients_cannot_forge_their_address(site):
    """The last test of the proxies, as it locks this client address out."""
    statuses = []
    for number in range(7):
        page = site.front.ask("GET", "/login/")
        token = re.search(rb'csrfmiddlewaretoken" value="([^"]+)"', page[2]).group(1).decode()
        cookie = page[1]["set-cookie"].partition(";")[0]
        status, _, _ = site.front.ask(
            "POST",
            "/login/",
            f"csrfmiddlewaretoken={token}&username=mallory&password=wrong-{number}".encode(),
            Content_Type="application/x-www-form-urlencoded",
            Cookie=cookie,
            Referer=f"{site.front.url}/login/",
            X_Forwarded_For=f"203.0.113.{number}",
            X_Real_IP=f"203.0.113.{number}",
            Forwarded=f"for=203.0.113.{number}",
        )
        statuses.append(status)
    counted = site.installation.python(
        "from axes.models import AccessAttempt\nprint(*AccessAttempt.objects.values_list('ip_address', flat=True))"
    )
    assert set(counted.split()) == {"127.0.0.1"}
    assert statuses[0] == 200 and statuses[-1] == 429, statuses


@servers
@pytest.mark.parametrize("kind", [Nginx, Caddy], ids=["nginx", "caddy"])
def test_a_proxy_without_lumaweb_answers_with_a_message_and_logs_no_key(kind, tmp_path):
    front = kind(tmp_path / "front")
    front.start(a_free_port(), tmp_path / "media")
    try:
        paths = [address.format(uuid="0" * 8, key=KEY) for address in SECRET_ADDRESSES]
        # Requests for the files of a page with a key in its URL have that URL as their Referer.
        paths.append("/static/css/base.css")
        with ThreadPoolExecutor(len(paths)) as visitors:
            answers = visitors.map(
                lambda path: front.ask("GET", path, Referer=f"https://x/{KEY}", Cookie=f"a={KEY}")[0], paths
            )
            assert {502, 503, 504} >= set(answers)
    finally:
        front.stop()
    assert KEY not in front.logs()
