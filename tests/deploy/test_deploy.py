"""Run the files in deploy/: the proxies in front of an installation, Compose, the units and upgrades."""

import http.client
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lumaweb.environment.variables import VARIABLES
from lumaweb.ops.management.commands.migrate import Command as Migrate
from lumaweb.supervisor.program import Timing
from videos.media.decoding import client as decoding

from ..support import slow_clients
from ..support.cookies import cookie_named
from ..support.debian import program
from ..support.installation import PASSWORD, ROOT, Installation, Visitor, a_free_port

DEPLOY = ROOT / "deploy"
CALLBACK = "/callbacks/luma/00000000-0000-0000-0000-000000000000/no-key/"
# Stands where a key stands in an address; no log may have it.
KEY = "theKEYthatOPENSitSELF0123456789"


# ── The proxies ───────────────────────────────────────────────────────────────────────────────────────────────


def certificate(folder: Path) -> tuple[Path, Path]:
    """Create a self-signed certificate for localhost; return its file and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return public, private


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """Return the text with all of these replaced; each must occur, so that no test runs an unchanged file."""
    for old, new in pairs:
        assert old in text, f"{old!r} is not in the file any more"
        text = text.replace(old, new)
    return text


class Front(ABC):
    """A proxy in front of an installation, from the file in deploy/ with this test's paths and ports."""

    name = ""
    accel_prefix = "/protected-media/"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.http_port, self.port = a_free_port(), a_free_port()
        self.url = f"https://localhost:{self.port}"
        self.public, self.private = certificate(folder)
        self.tls = ssl.create_default_context(cafile=str(self.public))
        self.process: subprocess.Popen | None = None

    @abstractmethod
    def start(self, upstream: int, media: Path) -> None:
        """Start the proxy in front of this port, with access to this media folder."""

    def run(self, *command: str, **env: str) -> None:
        with (self.folder / "said.log").open("ab") as said:
            self.process = subprocess.Popen(
                command, env=os.environ | env, cwd=self.folder, stdout=said, stderr=said, start_new_session=True
            )
        end = time.monotonic() + 30
        while True:
            assert self.process.poll() is None, self.logs()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end, f"{self.name} does not listen after 30 s:\n{self.logs()}"
                time.sleep(0.05)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)

    def logs(self) -> str:
        """Return everything that the proxy has logged."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict, bytes]:
        """Send one request with this exact path; return status, headers in lower case and body."""
        # With 1.3 the server begins to talk before it answers, and a look at the socket would say nothing.
        tls = ssl.create_default_context(cafile=str(self.public))
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        connection = http.client.HTTPSConnection("localhost", self.port, context=tls, timeout=30)
        try:
            connection.putrequest(method, path)
            for name, said in headers.items():
                connection.putheader(name.replace("_", "-"), said)
            if body is not None and "Transfer_Encoding" not in headers:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            for start in range(0, len(body or b""), 16384):
                # Who says no does so before all was sent, and does not wait for the rest.
                if select.select([connection.sock], [connection.sock], [], 30)[0]:
                    break
                try:
                    connection.send(body[start : start + 16384])
                except OSError:
                    break
            answer = connection.getresponse()
            try:
                said = answer.read()
            except http.client.IncompleteRead as cut:
                said = cut.partial  # the status was said; whoever still sends is not waited for
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, said
        finally:
            connection.close()


class Nginx(Front):
    name = "nginx"

    def start(self, upstream: int, media: Path) -> None:
        ours = replaced(
            (DEPLOY / "nginx.conf").read_text(),
            ("listen 80;", f"listen 127.0.0.1:{self.http_port};"),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{self.port} ssl http2;"),
            ("    listen [::]:80;\n", ""),
            ("    listen [::]:443 ssl http2;\n", ""),
            ("/etc/letsencrypt/live/films.example.com/fullchain.pem", str(self.public)),
            ("/etc/letsencrypt/live/films.example.com/privkey.pem", str(self.private)),
            ("https://films.example.com$", f"{self.url}$"),
            ("films.example.com", "localhost"),
            ("/var/log/nginx/", f"{self.folder}/"),
            ("/var/lib/lumaweb/media", str(media)),
            ("127.0.0.1:8000", f"127.0.0.1:{upstream}"),
        )
        temporary = "\n".join(
            f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # What Debian's own nginx.conf has around the files of conf.d. Its workers are the user who owns the files here.
        file = self.folder / "around.conf"
        file.write_text(
            ("user root;\n" if os.geteuid() == 0 else "")
            + f"pid {self.folder}/pid; daemon off; error_log {self.folder}/main-error.log;\n"
            + "events {}\nhttp {\n"
            + f"include /etc/nginx/mime.types; default_type application/octet-stream;\n{temporary}\n{ours}}}\n"
        )
        self.run(program("nginx"), "-c", str(file), "-p", str(self.folder), "-e", f"{self.folder}/main-error.log")


class Caddy(Front):
    name = "caddy"

    def start(self, upstream: int, media: Path) -> None:
        file = self.folder / "Caddyfile"
        file.write_text(
            replaced(
                (DEPLOY / "Caddyfile").read_text(),
                ("\tservers {\n", f"\tadmin off\n\thttp_port {self.http_port}\n\tservers {{\n"),
                # For a name of its own it would ask for a certificate by itself.
                ("\t@inside path", f"\tbind 127.0.0.1\n\ttls {self.public} {self.private}\n\t@inside path"),
            )
        )
        self.run(
            program("caddy"),
            *("run", "--config", str(file), "--adapter", "caddyfile"),
            LUMAWEB_PUBLIC_URL=self.url,
            LUMAWEB_UPSTREAM=f"127.0.0.1:{upstream}",
            LUMAWEB_MEDIA=str(media),
            HOME=str(self.folder),
            XDG_DATA_HOME=str(self.folder),
            XDG_CONFIG_HOME=str(self.folder),
        )


class Guest(Visitor):
    """A member who uses the proxy over TLS."""

    def __init__(self, front: Front, username: str = "ada") -> None:
        self.http = httpx.Client(
            base_url=front.url,
            verify=front.tls,
            follow_redirects=True,
            timeout=20,
            trust_env=False,
            headers={"Referer": f"{front.url}/"},
        )
        self.signed_in = self.post("/login/", username=username, password=PASSWORD)
        assert self.signed_in.url.path == "/", self.signed_in.text


class ProxiedSite:
    """An installation behind a proxy, with one saved video."""

    def __init__(self, front: Front, folder: Path) -> None:
        self.front = front
        self.installation = Installation(
            folder,
            LUMAWEB_PUBLIC_URL=front.url,
            LUMAWEB_TRUSTED_PROXIES="1",
            LUMAWEB_ACCEL_PREFIX=front.accel_prefix,
            # The sandbox, as a provider, comes through the proxy too.
            SSL_CERT_FILE=str(front.public),
        )

    def start(self) -> "ProxiedSite":
        self.front.start(self.installation.port, self.installation.folder / "media")
        self.installation.start()
        self.ada = Guest(self.front)
        self.uuid = self.ada.submit(action="generate", prompt="A lighthouse at dusk", aspect_ratio="16:9")
        self.video = self.ada.wait_until_saved(self.uuid)
        return self

    def stop(self) -> None:
        try:
            self.installation.stop()
        finally:
            self.front.stop()


@pytest.fixture(scope="module", params=[Nginx, Caddy], ids=["nginx", "caddy"])
def site(request, tmp_path_factory) -> Iterator[ProxiedSite]:
    folder = tmp_path_factory.mktemp(request.param.name)
    site = ProxiedSite(request.param(folder / "front"), folder / "data")
    try:
        yield site.start()
    finally:
        site.stop()


servers = pytest.mark.servers


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
    # Lumaweb itself, asked past the proxy, only names the file.
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
    # What Django sends is what its own part of the log counts: nothing of this video.
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
    # And nobody else has to wait for it.
    assert site.front.ask("GET", "/healthz")[0] == 200


@servers
def test_the_limit_also_holds_for_chunked_bodies(site):
    piece = b"2000\r\n" + b"x" * 8192 + b"\r\n"
    address = f"/callbacks/luma/{site.uuid}/{KEY}/"
    status, _, _ = site.front.ask("POST", address, piece * 64 + b"0\r\n\r\n", Transfer_Encoding="chunked")
    # Lumaweb looks at the key before the body; whether the proxy was faster is the proxy's affair.
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
    "/watch/{uuid}/{key}/",
    "/watch/{uuid}/{key}/{uuid}/video",
)


def test_the_proxy_redacts_the_same_paths_as_lumaweb():
    """A new secret path must be added to the proxies' files too."""
    from lumaweb.logs import SECRET_PATHS, redact

    beginnings = set(re.findall(r"[a-z]+(?=/\[|\||\))", SECRET_PATHS.pattern)) - {"luma"}
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
        # What a page with a key in its address loads, names that page.
        paths.append("/static/css/base.css")
        with ThreadPoolExecutor(len(paths)) as visitors:
            answers = visitors.map(
                lambda path: front.ask("GET", path, Referer=f"https://x/{KEY}", Cookie=f"a={KEY}")[0], paths
            )
            assert {502, 503, 504} >= set(answers)
    finally:
        front.stop()
    assert KEY not in front.logs()


# ── The environment ───────────────────────────────────────────────────────────────────────────────────────────


def named_in_the_example() -> set[str]:
    text = (DEPLOY / "lumaweb.env.example").read_text()
    return set(re.findall(r"^#?([A-Z][A-Z_0-9]+)=", text, re.MULTILINE))


def test_the_example_names_every_variable_and_no_other():
    rarely_needed = {name for name in VARIABLES if name.startswith("SANDBOX_")} - {"SANDBOX_PORT", "SANDBOX_SECONDS"}
    assert VARIABLES.keys() - named_in_the_example() == rarely_needed
    assert named_in_the_example() - VARIABLES.keys() == {"POSTGRES_PASSWORD"}


def test_the_example_holds_no_secret_and_starts_unchanged_on_loopback():
    filled = dict(re.findall(r"^([A-Z_]+)=(.*)$", (DEPLOY / "lumaweb.env.example").read_text(), re.MULTILINE))
    assert {name for name, said in filled.items() if said} == {"LUMAWEB_TRUSTED_PROXIES", "LUMAWEB_ACCEL_PREFIX"}


# ── Compose ───────────────────────────────────────────────────────────────────────────────────────────────────

FILES = ["compose.yaml", "compose.scale.yaml"]
OURS = {"migrate", "lumaweb", "web", "worker", "ticker"}


def composed(file: str) -> dict:
    return yaml.safe_load((DEPLOY / file).read_text())


@servers
@pytest.mark.parametrize("file", FILES)
def test_docker_compose_accepts_the_file(file, tmp_path):
    folder = tmp_path / "deploy"
    shutil.copytree(DEPLOY, folder)
    command = [program("docker-compose"), "-f", str(folder / file), "config"]
    env = {name: said for name, said in os.environ.items() if not name.startswith(("LUMAWEB", "POSTGRES"))}
    shutil.copy(DEPLOY / "lumaweb.env.example", folder / ".env")
    refused = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "Set it in .env" in refused.stderr
    with (folder / ".env").open("a") as more:
        more.write("LUMAWEB_PUBLIC_URL=https://films.example.com\nPOSTGRES_PASSWORD=abc123\n")
    read = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert read.returncode == 0, read.stderr
    assert set(yaml.safe_load(read.stdout)["services"]) == set(composed(file)["services"])


@pytest.mark.parametrize("file", FILES)
def test_every_container_of_lumaweb_is_restricted(file):
    services = composed(file)["services"]
    for name in OURS & set(services):
        service = services[name]
        assert service["read_only"] and service["tmpfs"] == ["/tmp"], name
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        # The supervisor waits 12 s for its parts, 3 s for those that stop last, and 3 s for what had to be killed.
        assert service["stop_grace_period"] == "30s", name
        assert "ports" not in service, name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    for name, service in services.items():
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert re.search(r":\d[\w.-]*$", service["image"]), f"{name} has no version"
        assert ("ports" in service) == (name == "caddy")


@pytest.mark.parametrize("file", FILES)
def test_every_command_in_compose_exists(file):
    from lumaweb.ops.management.commands.serve import Command as Serve

    for name in OURS & set(composed(file)["services"]):
        first, *options = composed(file)["services"][name]["command"]
        if first == "serve":
            Serve().create_parser("manage.py", "serve").parse_args(options)
        else:
            Migrate().create_parser("manage.py", "migrate").parse_args(options)


def test_services_wait_for_the_migration():
    for file in FILES:
        for name, service in composed(file)["services"].items():
            if name in OURS - {"migrate"}:
                assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}, name


def in_bytes(size: str) -> int:
    """Parse a size as systemd and Compose write it."""
    number, unit = re.fullmatch(r"(\d+)([mMgG])", size).groups()
    return int(number) * 1024 ** (2 if unit in "mM" else 3)


# Bytes that each part takes without foreign files, rounded up (deploy/README.md).
IDLE = {"lumaweb": 700 << 20, "web": 250 << 20, "worker": 340 << 20, "ticker": 155 << 20}


@pytest.mark.parametrize("file", FILES)
def test_every_container_has_limits_of_memory_and_tasks_with_room_for_decoding(file):
    for name, service in composed(file)["services"].items():
        most = in_bytes(service["mem_limit"])
        assert 64 <= service["pids_limit"] <= 256, name
        if name in IDLE:
            assert most > IDLE[name] + (0 if name == "ticker" else decoding.MEMORY_ALONE), name


def test_every_unit_has_limits_of_memory_and_tasks_with_room_for_decoding():
    for unit in UNITS:
        text = unit.read_text()
        high, most = (in_bytes(re.search(rf"^Memory{which}=(\w+)$", text, re.M)[1]) for which in ("High", "Max"))
        assert 64 <= int(re.search(r"^TasksMax=(\d+)$", text, re.M)[1]) <= 256, unit.name
        part = unit.stem.removeprefix("lumaweb-").rstrip("@")
        assert high < most
        if part in IDLE:
            assert high > IDLE[part] + (0 if part == "ticker" else decoding.MEMORY_ALONE), unit.name
        if part in IDLE and part != "ticker":
            # Otherwise systemd stops all of a unit of which the kernel has killed one process.
            assert "OOMPolicy=continue" in text, unit.name


def test_the_database_and_the_queue_are_not_reachable_from_outside():
    scale = composed("compose.scale.yaml")
    assert scale["networks"]["back"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert scale["services"][name]["networks"] == ["back"]
    assert scale["services"]["caddy"]["networks"] == ["front"]


def test_no_file_of_compose_scales_sqlite():
    """Only services with a shared database may be scaled; the file with SQLite has one of each."""
    one, several = composed("compose.yaml")["services"], composed("compose.scale.yaml")["services"]
    assert set(one) == {"migrate", "lumaweb", "caddy"}
    for name in ("migrate", "web", "worker", "ticker"):
        assert several[name]["environment"]["DATABASE_URL"].startswith("postgres://")
        assert several[name]["environment"]["LUMAWEB_LUMA_BASE_URL"], "nobody starts the sandbox there"


@pytest.mark.parametrize("file", FILES)
def test_compose_sets_only_variables_that_the_settings_read(file):
    for name in OURS & set(composed(file)["services"]):
        assert set(composed(file)["services"][name]["environment"]) <= VARIABLES.keys()


# ── The units ─────────────────────────────────────────────────────────────────────────────────────────────────

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


@servers
def test_systemd_can_read_every_unit(tmp_path):
    """Only the folder of the program is replaced, which does not exist here."""
    files = []
    for unit in UNITS:
        files.append(tmp_path / unit.name)
        files[-1].write_text(
            replaced(unit.read_text(), ("/opt/lumaweb/.venv/bin/python", sys.executable)).replace(
                "/opt/lumaweb/deploy", str(DEPLOY)
            )
        )
    done = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", *map(str, files)], capture_output=True, text=True, timeout=60
    )
    ours = [line for line in done.stderr.splitlines() if "lumaweb" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@servers
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_unit_is_sandboxed(unit):
    """`systemd-analyze security` rates from 10 (exposed) to 0; system services begin at about 9."""
    done = subprocess.run(
        [program("systemd-analyze"), "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]


def test_the_units_stop_timeout_exceeds_the_supervisor_s():
    timing = Timing()
    longest = timing.stop_timeout + 3 * timing.last_stop_timeout
    for unit in UNITS:
        text = unit.read_text()
        if "Type=oneshot" not in text:
            assert float(re.search(r"TimeoutStopSec=(\d+)", text).group(1)) > longest, unit.name
            assert "KillMode=mixed" in text and "Restart=always" in text, unit.name


def test_separate_processes_refuse_sqlite_with_a_message():
    for unit in UNITS:
        found = re.findall(r"^ExecStartPre=/bin/sh -c '(.*DATABASE_URL.*)'$", unit.read_text(), re.MULTILINE)
        assert bool(found) == (unit.name != "lumaweb.service"), unit.name
        for script in found:
            command = ["/bin/sh", "-c", script.replace("$$", "$")]
            refused = subprocess.run(command, env={}, capture_output=True, text=True)
            assert refused.returncode == 1 and "use lumaweb.service" in refused.stdout
            assert subprocess.run(command, env={"DATABASE_URL": "postgres://x/y"}).returncode == 0


# ── Migrations ────────────────────────────────────────────────────────────────────────────────────────────────


def test_concurrent_migrations_create_the_tables_once(tmp_path):
    installation = Installation(tmp_path / "data")
    together = [
        subprocess.Popen(
            [sys.executable, "manage.py", "migrate", "-v0"],
            cwd=ROOT, env=installation.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for process in together:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said


def test_a_version_can_be_rolled_back_and_deployed_again(tmp_path):
    """Follow deploy/README.md: undo the newest migrations and apply them again, with rows in the tables."""
    installation = Installation(tmp_path / "data")
    installation.manage("migrate", "-v0")
    installation.add_member("grace")
    newest = sorted(path.stem for path in (ROOT / "videos/migrations").glob("0*.py"))[-1]
    # Before 0007 the budgets are gone, and what was counted with them.
    installation.manage("migrate", "videos", "0007", "-v0")
    assert f"[ ] {newest}" in installation.manage("showmigrations", "videos")
    installation.manage("migrate", "-v0")
    count = installation.python("from videos.models import Member\nprint(Member.objects.count())")
    assert (count, "[ ]" in installation.manage("showmigrations", "videos")) == ("1", False)
