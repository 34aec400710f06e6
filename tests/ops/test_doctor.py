"""The doctor reports each fault, which the test causes for real."""

import io
import json
import os
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings as django_settings
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.urls import reverse
from django.utils import timezone

from lumaweb.ops import doctor
from lumaweb.ops.doctor import Check, background, clock, database, installation, provider, proxy, public_url, storage
from lumaweb.ops.doctor.findings import ok
from videos import self_test
from videos.models import ApiToken, Generation, Lease

from ..support import servers
from ..support.factories import a_generation, a_result, a_token
from ..support.installation import ROOT, Installation, a_free_port
from ..support.s3_server import S3Server
from ..support.serving import serve
from ..support.stub_provider import StubProvider

pytestmark = pytest.mark.django_db(transaction=True)

NETWORK_CHECKS = tuple(check for check in doctor.CHECKS if check.run in (proxy.proxy, public_url.public_url))
MARKER = "markedMARKEDmarkedMARKEDmarkedMARKEDmarked0"


def said_by(check, *args) -> str:
    """Return all findings of a check, as printed."""
    return "\n".join(f"{finding.level}: {finding.message} {finding.fix}".strip() for finding in check(*args))


# ── The installation ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_packages_are_compared_with_the_pinned_versions(settings, tmp_path):
    said = said_by(installation.versions)
    assert said.startswith("ok: Python 3.") and f"Lumaweb {settings.VERSION}; " in said
    settings.BASE_DIR = tmp_path
    pinned = "django==1.0 \\\n    --hash=sha256:0\nno-such-package==1 \\\n    --hash=sha256:0\n"
    (tmp_path / "requirements.txt").write_text(pinned)
    said = said_by(installation.versions)
    assert "fail: Not installed: no-such-package. Install requirements.txt again" in said
    assert "warn: Versions other than the tested ones: django 5." in said and "(tested with 1.0)" in said


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"DEBUG": True}, "fail", "Debug mode is on"),
        ({"DEBUG": True, "ON_LOOPBACK": True}, "warn", "Debug mode is on"),
        ({"SITE_URL": "https://films.example.com"}, "fail", "Lumaweb does not serve that host"),
        ({"ALLOWED_HOSTS": ["*"]}, "warn", "Lumaweb serves any host name."),
        ({"SECRET_KEY": "x" * 60}, "fail", "The secret key is short or simple"),
        ({"SECRET_KEY": "abc123"}, "fail", "The secret key is short or simple"),
        ({"PUBLIC_URL": "http://films.example.com"}, "warn", "The public address has no TLS"),
        ({"BEHIND_TLS": True}, "warn", "LUMAWEB_TRUSTED_PROXIES is 0"),
        (
            {"ENCRYPTION_KEYS": ["no key"]},
            "fail",
            "videos.E001: LUMAWEB_ENCRYPTION_KEYS holds something that is no key",
        ),
        ({"SESSION_COOKIE_SECURE": False}, "warn", "security.W010"),
    ],
)
def test_unsafe_settings_are_reported(settings, changed, level, words):
    settings.ON_LOOPBACK = False
    for name, value in changed.items():
        setattr(settings, name, value)
    lines = said_by(installation.configuration).splitlines()
    assert [line for line in lines if line.startswith(level) and words in line], lines
    assert "abc123" not in "".join(lines)


def test_default_settings_pass():
    assert said_by(installation.configuration).startswith("ok: Debug mode is off; Lumaweb serves the hosts 127.0.0.1")


def test_a_readable_key_file_is_reported_with_its_remedy(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    tmp_path.chmod(0o750)
    for name in ("secret-key", "encryption-keys"):
        (tmp_path / name).write_text(MARKER)
        (tmp_path / name).chmod(0o600)
    assert said_by(installation.keys).startswith("ok: ")
    (tmp_path / "encryption-keys").chmod(0o640)
    assert f"fail: Other users of this machine can read encryption-keys. chmod 600 {tmp_path}/enc" in said_by(
        installation.keys
    )
    tmp_path.chmod(0o755)
    assert "warn: All users of this machine have access to the data directory." in said_by(installation.keys)
    assert MARKER not in said_by(installation.keys)


def test_a_nearly_full_disk_is_reported():
    assert "fail: Only " in said_by(installation.disk_space, 10**18, 10**19)
    assert "warn: Only " in said_by(installation.disk_space, 0, 10**19)
    assert said_by(installation.disk_space, 0, 0).startswith("ok: ")


def test_missing_or_outdated_static_files_are_reported(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    assert "fail: They were not collected: pages have no styles. Run manage.py collectstatic" in said_by(
        installation.static_files
    )
    (tmp_path / "staticfiles.json").write_text("{}")
    assert said_by(installation.static_files) == "ok: They are collected."
    os.utime(tmp_path / "staticfiles.json", (0, 0))
    assert "warn: They changed after they were collected." in said_by(installation.static_files)


# ── The database and the storage ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.embedded
def test_a_database_without_synchronous_writes_is_reported():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=OFF")
    assert "fail: It does not wait for the disk" in said_by(database.database)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=FULL")
    assert said_by(database.database).startswith("ok: SQLite 3.")
    connection.close()


@pytest.mark.servers
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("SET synchronous_commit = off", "synchronous_commit is off"),
        ("SET default_transaction_isolation = 'serializable'", "Transactions are serializable by default"),
        ("UPDATE pg_extension SET extname = 'gone' WHERE extname = 'pg_trgm'", "The extension pg_trgm is missing"),
    ],
)
def test_a_misconfigured_postgresql_is_reported(broken, words):
    assert said_by(database.database).splitlines()[-1].startswith("ok: PostgreSQL ")
    with connection.cursor() as cursor:
        cursor.execute(broken)
    try:
        assert f"fail: {words}" in said_by(database.database)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE pg_extension SET extname = 'pg_trgm' WHERE extname = 'gone'")
        connection.close()


def test_pending_or_newer_migrations_are_reported():
    assert said_by(database.migrations).startswith("ok: All are applied.\nok: A commit takes ")
    assert not Lease.objects.exists()
    newest = MigrationRecorder.Migration.objects.filter(app="videos").order_by("name").last()
    name = newest.name
    MigrationRecorder.Migration.objects.filter(pk=newest.pk).update(name="9999_future")
    try:
        assert said_by(database.migrations).startswith(f"fail: Not applied: videos.{name}")
        MigrationRecorder(connection).record_applied("videos", name)
        assert "warn: The database is of a newer version than this code: videos.9999_future." in said_by(
            database.migrations
        )
    finally:
        MigrationRecorder.Migration.objects.filter(app="videos", name=name).delete()
        MigrationRecorder.Migration.objects.filter(pk=newest.pk).update(name=name)


class ForgetfulStorage(FileSystemStorage):
    """A storage that stores something else than it was given."""

    def _save(self, name, content):
        content.file = io.BytesIO(bytes(content.size))
        return super()._save(name, content)


class ClingingStorage(FileSystemStorage):
    """A storage that does not delete."""

    def delete(self, name):
        pass


@pytest.mark.parametrize(
    ("backend", "place", "words"),
    [
        (
            "django.core.files.storage.FileSystemStorage",
            "folder",
            "ok: Files are written, read and deleted in the media folder.",
        ),
        (
            "django.core.files.storage.FileSystemStorage",
            "file",
            "fail: A file in the media folder could not be written: ",
        ),
        ("tests.ops.test_doctor.ForgetfulStorage", "folder", "fail: The file read is not the file written."),
        ("tests.ops.test_doctor.ClingingStorage", "folder", "fail: A file in the media folder still exists"),
    ],
)
def test_a_storage_is_written_read_and_cleared(settings, tmp_path, backend, place, words):
    (tmp_path / "file").write_text("in the place of a folder")
    settings.STORAGES = django_settings.STORAGES | {
        "default": {"BACKEND": backend, "OPTIONS": {"location": tmp_path / place}}
    }
    assert words in said_by(storage.storage)
    if "django" in backend:
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "file"]


# ── The work ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_long_queue_is_reported():
    assert "calls wait." in said_by(background.queue) and said_by(background.queue).startswith("ok: ")


def test_missing_workers_are_reported():
    said = said_by(background.workers, 0.3)
    assert "fail: The worker did not answer within 0 s; it never has. No new video is sent until it does." in said
    assert "fail: The media worker did not answer within 0 s" in said and "manage.py serve --only worker" in said


def test_a_missing_ticker_is_reported():
    assert "fail: No ticker runs" in said_by(background.ticker)
    Lease.objects.acquire("ticker", "here", 60)
    assert said_by(background.ticker) == "ok: The ticker runs."
    Lease.objects.acquire("ticker", "here", -1)
    assert "fail: No ticker runs" in said_by(background.ticker)


def test_videos_that_wait_too_long_are_reported_with_the_reason():
    assert said_by(background.waiting) == "ok: 0 wait to be sent, 0 to be saved."
    token = a_token()
    for _ in range(3):
        a_generation()
    Generation.objects.update(created_at=timezone.now() - timedelta(hours=3))
    token.disable("used_up", "spent")
    done, held, _ = Generation.objects.order_by("pk")
    Generation.objects.filter(pk=held.pk).update(held_at=timezone.now())
    Generation.objects.filter(pk=done.pk).update(
        state="completed", archive="remote", finished_at=timezone.now() - timedelta(minutes=30)
    )
    said = said_by(background.waiting)
    assert (
        "warn: 1 videos wait to be sent, the first for 3.0 hours, as the balance of every API token is used up." in said
    )
    assert "warn: 1 videos have been held since a restore" in said
    assert "warn: 1 finished videos are not saved yet, the first for 30 minutes." in said


# ── Tokens ────────────────────────────────────────────────────────────────────────────────────────────────────


class Refusing(StubProvider):
    """A provider that knows one token."""

    def answer(self, path, body):
        assert path == "/luma/tasks", "a look-up is free; nothing else is asked"
        return 200, {}


def test_a_missing_token_is_reported():
    assert "warn: There is no API token: no video can be sent." in said_by(provider.stored_tokens)
    assert said_by(provider.accepted_tokens).startswith("skip: ")


def test_a_token_is_tested_free_of_charge_and_not_changed():
    service = Refusing()
    token = a_token(MARKER, service.url)
    token.disable("used_up", "spent")
    said = said_by(provider.accepted_tokens)
    assert said.startswith("ok: “test” at 127.0.0.1:") and MARKER not in said
    token.refresh_from_db()
    assert token.health == "used_up" and [set(post) for post in service.posts] == [{"action", "id"}]
    assert "warn: The API token “test” is not in use: spent" in said_by(provider.stored_tokens)
    service.answer = lambda path, body: (401, {"error": {"code": "invalid_token", "message": "no"}})
    said = said_by(provider.accepted_tokens)
    assert "fail: “test” at " in said and "The provider refuses it." in said and MARKER not in said
    token.refresh_from_db()
    assert token.health == "used_up"
    service.shutdown()
    service.server_close()
    assert said_by(provider.accepted_tokens).startswith("warn: “test” at ")


def test_a_token_that_cannot_be_decrypted_is_reported(settings):
    a_token(MARKER)
    assert said_by(provider.stored_tokens) == "ok: The keys decrypt the API token."
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    said = said_by(provider.stored_tokens)
    assert "fail: The encryption keys do not decrypt the API token “test”. Add the key" in said and "ok" not in said[:3]


# ── The public address ────────────────────────────────────────────────────────────────────────────────────────


class Front(ThreadingHTTPServer):
    """A proxy on a real socket in front of the server, which changes requests like a misconfigured one."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.behind = urlsplit(behind)
        self.url = f"http://localhost:{self.server_port}"

    def __enter__(self) -> "Front":
        serve(self)
        return self

    def __exit__(self, *error) -> None:
        self.shutdown()
        self.server_close()

    def meddle(self, method: str, path: str, body: bytes) -> bytes | tuple[int, dict, bytes]:
        """Return the body to pass on, or the response to send instead."""
        return body

    def dress(self, headers: dict) -> dict:
        return headers

    def forward(self, headers: dict) -> dict:
        """Return the headers to pass on: those of a proxy that is configured correctly."""
        return headers


class _Passing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server.meddle(self.command, self.path, body)
        if isinstance(answer, bytes):
            behind = HTTPConnection(self.server.behind.hostname, self.server.behind.port, timeout=20)
            scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
            headers = {"Host": self.headers["Host"], "X-Forwarded-Proto": scheme}
            headers |= {"Content-Type": self.headers.get("Content-Type") or "text/plain"}
            behind.request(self.command, self.path, answer or None, self.server.forward(headers))
            got = behind.getresponse()
            answer = got.status, dict(got.getheaders()), got.read()
            behind.close()
        status, headers, body = answer
        headers = {
            name: value for name, value in headers.items() if name.lower() not in ("content-length", "connection")
        }
        self.send_response_only(status)
        for name, value in self.server.dress(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args) -> None:
        pass


def test_the_self_test_proves_that_the_public_url_leads_here(live_server, settings):
    with Front(live_server.url) as front:
        settings.PUBLIC_URL = front.url
        said = said_by(public_url.public_url)
    assert said.startswith(f"ok: {front.url} leads to this installation, and a callback arrives unchanged.")
    assert "tested from this machine only" in said and not Generation.objects.exists()


def for_callbacks(answer):
    return lambda method, path, body: answer(body) if path.startswith("/callbacks/") else body


THERE = {"Location": "https://films.example.com/elsewhere"}
MEDDLING = {
    "sends elsewhere": (
        lambda method, path, body: (301, THERE, b""),
        "redirects to https://films.example.com, and a provider does not follow redirects.",
    ),
    "asks for a password": (lambda method, path, body: (401, {}, b""), "asks for a password."),
    "another site": (lambda method, path, body: (200, {}, b"<html>"), "leads to something other than Lumaweb."),
    "another list": (lambda method, path, body: (200, {}, b"[]"), "leads to something other than Lumaweb."),
    "another installation": (
        lambda method, path, body: (200, {}, b'{"ok": true, "proof": "abc"}'),
        "leads to another installation",
    ),
    "nobody behind it": (lambda method, path, body: (502, {}, b""), "a proxy that does not reach Lumaweb (502)."),
    "refuses POST": (for_callbacks(lambda body: (403, {}, b"waf")), "answers 403 (not from Lumaweb)."),
    "limits bodies": (for_callbacks(lambda body: (413, {}, b"")), "A callback of 60 KB to"),
    "redirects callbacks": (for_callbacks(lambda body: (308, THERE, b"")), "and a provider does not follow redirects."),
    "strips bodies": (for_callbacks(lambda body: b""), "the request arrived changed."),
    "cuts bodies": (for_callbacks(lambda body: body[:1000]), "the request arrived changed."),
    "keeps pictures": (
        lambda method, path, body: (404, {}, b"<h1>nginx") if path.endswith(".jpg") else body,
        "/frames/ does not lead to Lumaweb, so a provider could not fetch start and end frames.",
    ),
}


@pytest.mark.parametrize("name", MEDDLING)
def test_a_proxy_that_changes_requests_is_reported_by_its_effect(live_server, settings, name):
    meddle, words = MEDDLING[name]
    with Front(live_server.url) as front:
        front.meddle = meddle
        settings.PUBLIC_URL = front.url
        said = said_by(public_url.public_url)
    assert words in said and "fail: " in said and "ok: " not in said, said


@pytest.mark.parametrize("host", ["internal.example", "127.0.0.1:8000"])
def test_a_proxy_that_sends_another_host_is_the_first_finding(live_server, settings, host):
    with Front(live_server.url) as front:
        settings.SITE_URL = settings.PUBLIC_URL = front.url
        front.forward = lambda headers: headers | {"Host": host}
        found = [finding for _, finding in doctor.run_checks(checks=NETWORK_CHECKS)]
    assert found[0].code == "proxy-host" and "proxy_set_header Host" in found[0].fix
    assert found[1].level == "skip", "the check of the public address would report consequences"


@pytest.mark.parametrize("value", [None, "http", ""])
def test_a_proxy_without_x_forwarded_proto_is_the_first_finding(live_server, settings, authority, value):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    front = tls_front(live_server.url, authority(60))
    with front:
        settings.SITE_URL = settings.PUBLIC_URL = front.url
        assert "ok: Requests arrive unchanged" in said_by(proxy.proxy)
        front.forward = lambda headers: headers | {"X-Forwarded-Proto": value or ""}
        found = [finding for _, finding in doctor.run_checks(checks=NETWORK_CHECKS)]
    assert found[0].code == "proxy-scheme" and "proxy_set_header X-Forwarded-Proto" in found[0].fix
    assert [finding.level for finding in found] == ["fail", "skip"]


def test_a_page_that_redirects_to_itself_is_reported(live_server, settings):
    with Front(live_server.url) as front:
        settings.SITE_URL = settings.PUBLIC_URL = front.url
        there = {"Location": f"{front.url}/login/"}
        front.meddle = lambda method, path, body: (301, there, b"") if path == "/login/" else body
        assert "fail: Every page of" in said_by(proxy.proxy) and "redirects to itself" in said_by(proxy.proxy)


def tls_front(behind: str, tls: ssl.SSLContext) -> Front:
    front = Front(behind)
    front.socket = tls.wrap_socket(front.socket, server_side=True)
    front.url = front.url.replace("http:", "https:")
    return front


def test_an_unreachable_public_url_is_reported(settings):
    settings.PUBLIC_URL = f"http://localhost:{a_free_port()}"
    assert "cannot be reached from here: nothing listens there." in said_by(public_url.public_url)
    settings.PUBLIC_URL = "http://no-such-name.invalid"
    assert "fail: The name no-such-name.invalid cannot be resolved." in said_by(public_url.public_url)


def test_a_missing_public_url_is_reported_with_its_consequences(settings):
    settings.PUBLIC_URL = ""
    assert said_by(public_url.public_url).startswith("warn: There is no public address")
    settings.PUBLIC_URL = None
    settings.LOCAL_URL = f"http://127.0.0.1:{a_free_port()}"
    a_token(base_url="https://api.example.com")
    told = said_by(public_url.public_url)
    assert told.startswith("warn: There is no public address, so Lumaweb looks up results of api.example.com")
    assert "frames are uploaded to it." in told
    ApiToken.objects.get().refuse_uploads("api.example.com/files/upload answered 404.")
    assert (
        "frames are sent as links only: api.example.com/files/upload answered 404. "
        in said_by(public_url.public_url) + " "
    )


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """Return a function that creates a trusted certificate valid for some days."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tests")])

    def made(subject: x509.Name, days: float, public, extension) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=30))
        builder = builder.not_valid_after(now + timedelta(days=days)).add_extension(extension, critical=False)
        return builder.sign(key, hashes.SHA256())

    own = made(name, 100, key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
    (tmp_path / "ca.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    def context(days: float, host: str = "localhost") -> ssl.SSLContext:
        theirs = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        pem = theirs.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem += made(subject, days, theirs.public_key(), names).public_bytes(serialization.Encoding.PEM)
        (tmp_path / "server.pem").write_bytes(pem)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(tmp_path / "server.pem")
        return tls

    return context


@pytest.mark.parametrize(
    ("days", "host", "words"),
    [
        (60.5, "localhost", "ok: The certificate is valid for 60 more days."),
        (10.5, "localhost", "warn: The certificate is valid for 10 more days."),
        (1.5, "localhost", "fail: The certificate is valid for 1 more days."),
        (-1, "localhost", "its certificate is not valid: certificate has expired. Renew or replace the certificate."),
        (60, "films.example.com", "its certificate is not valid: Hostname mismatch"),
    ],
)
def test_a_certificate_is_reported_by_its_remaining_days(live_server, settings, authority, days, host, words):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    with tls_front(live_server.url, authority(days, host)) as front:
        settings.PUBLIC_URL = front.url
        said = said_by(public_url.public_url)
    assert words in said, said
    assert ("leads to this installation" in said) is (days > 3 and host == "localhost")


def test_the_self_test_changes_nothing_and_needs_the_secret_key(client, settings):
    uuid = "9b2f0e0c-0000-4000-8000-000000000000"
    key = self_test.key_for(uuid)
    path = reverse("callback", args=[uuid, key])
    answer = client.post(path, b"{}", content_type="application/json")
    assert answer.json() == {"proof": self_test.proof(b"{}")} and not Generation.objects.exists()
    assert client.get(path).status_code == 405
    assert client.post(path, b"x" * 70_000, content_type="application/json").status_code == 413
    unknown = client.post(reverse("callback", args=[uuid, "k" * 43]), b"{}", content_type="application/json")
    others = [uuid.replace("9b", "9c"), key], [uuid, key[:-1]], [uuid, f"x{key}"], [uuid, ":"], [uuid, "a:b:c"]
    for other in others:
        again = client.post(reverse("callback", args=other), b"{}", content_type="application/json")
        assert (again.status_code, again.content) == (404, unknown.content)
    settings.SECRET_KEY = "another installation's"
    assert client.post(path, b"{}", content_type="application/json").status_code == 404


def test_the_self_test_key_is_wrong_for_a_real_video(client):
    a_token()
    generation = a_generation()
    generation.claim()
    path = reverse("callback", args=[generation.uuid, self_test.key_for(generation.uuid)])
    assert client.post(path, b"{}", content_type="application/json").status_code == 404


def test_callbacks_and_fetches_of_the_provider_prove_that_it_reaches_lumaweb(settings):
    settings.PUBLIC_URL = "https://films.example.com"
    a_token(base_url="https://api.example.com")
    assert "skip: It is not known whether api.example.com reaches Lumaweb" in said_by(provider.callbacks)
    for number in range(3):
        generation = a_generation()
        generation.claim()
        generation.record(a_result(f"task-{number}"), "sweep")
    assert "warn: None of the last 3 results came by a callback of api.example.com" in said_by(provider.callbacks)
    generation = a_generation()
    generation.claim()
    generation.record(a_result("task-9"), "callback")
    assert "ok: api.example.com reaches Lumaweb: 1 of the last 4 results came by callback" in said_by(
        provider.callbacks
    )
    settings.PUBLIC_URL = ""
    assert said_by(provider.callbacks).startswith("skip: ")


# ── Clock ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (0, "ok: The clock agrees with "),
        (20, "warn: The clock is "),
        (3600, "fail: The clock is "),
        (-3600, "fail: The clock is "),
    ],
)
def test_a_wrong_clock_is_reported(settings, ahead, words):
    with Front("http://127.0.0.1:9") as front:
        front.meddle = lambda method, path, body: (200, {}, b"")
        front.dress = lambda headers: (
            headers | {"Date": format_datetime(datetime.now(UTC) - timedelta(seconds=ahead), usegmt=True)}
        )
        a_token(base_url=front.url)
        said = said_by(clock.clock)
    assert words in said, said
    if ahead:
        assert ("ahead of" if ahead > 0 else "behind") in said and "NTP" in said


# ── The whole ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_check_that_hangs_or_fails_is_reported_and_the_rest_run():
    here, there = socket.socketpair()
    here.settimeout(20)

    def hangs():
        yield ok(str(here.recv(1)))

    def breaks():
        yield ok("one")
        raise ValueError(f"postgres://lumaweb:{MARKER}@db.example/lumaweb")

    def works():
        yield ok(f"authorization: Bearer {MARKER}")

    checks = Check("hangs", hangs, timeout=0.1), Check("breaks", breaks), Check("works", works)
    found = [(name, finding.level, finding.message) for name, finding in doctor.run_checks(checks=checks)]
    there.send(b"x")
    assert [(name, level) for name, level, _ in found] == [("hangs", "fail"), ("breaks", "fail"), ("works", "ok")]
    assert "No result after 0 s." in found[0][2] and "ValueError" in found[1][2] and MARKER not in str(found)


def test_offline_makes_no_connection(live_server, settings):
    service = Refusing()
    a_token(base_url=service.url)
    with Front(live_server.url) as front:
        settings.PUBLIC_URL = front.url
        front.meddle = lambda *args: pytest.fail("asked")
        checks = tuple(check for check in doctor.CHECKS if check.run is not background.workers)
        found = list(doctor.run_checks(offline=True, checks=checks))
    assert not service.posts
    skipped = {name for name, finding in found if finding.level == "skip"}
    assert skipped >= {"tokens at the provider", "public address", "clock", "mail"}


def doctored(env: dict, *words: str) -> tuple[int, str]:
    """Run the command as a program; return its exit status and output."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def an_empty_site(tmp_path: Path, **env: str) -> Installation:
    site = Installation(tmp_path / "site", **env)
    site.folder.mkdir()
    for name in ("DATABASE_URL", "REDIS_URL"):
        if name not in env:
            site.env.pop(name, None)
    return site


def levels_of(printed: str) -> dict[str, set[str]]:
    levels: dict[str, set[str]] = {}
    for finding in json.loads(printed)["findings"]:
        levels.setdefault(finding["look"], set()).add(finding["level"])
    return levels


def test_an_installation_that_was_never_set_up_is_reported_with_the_remedy(tmp_path):
    site = an_empty_site(tmp_path)
    status, printed = doctored(site.env, "--offline")
    assert status == 1 and "\x1b" not in printed, "colours are for terminals"
    assert "fail  migrations: Not applied: " in printed and "then run manage.py migrate (once" in printed
    assert "fail  static files: They were not collected" in printed
    assert "skip  workers: Not checked because the database does not work." in printed
    assert " failed, " in printed.splitlines()[-1]


def test_a_damaged_database_file_is_reported(tmp_path):
    site = an_empty_site(tmp_path)
    site.migrate()
    file = site.folder / "lumaweb.sqlite3"
    data = bytearray(file.read_bytes())
    data[8192:40_000] = os.urandom(40_000 - 8192)
    file.write_bytes(data)
    status, printed = doctored(site.env, "--offline", "--json")
    assert status == 1 and "The file is damaged" in printed and "restore the last backup" in printed


def test_an_unsafe_sqlite_configuration_is_reported(tmp_path):
    site = an_empty_site(tmp_path, DJANGO_SETTINGS_MODULE="tests.support.unsafe_sqlite_settings")
    status, printed = doctored(site.env, "--offline")
    assert status == 1
    assert "Its journal mode is delete, not wal" in printed and "It does not wait for the disk" in printed


def test_an_unreachable_database_and_queue_are_reported_without_passwords(tmp_path):
    where = f"127.0.0.1:{a_free_port()}"
    url = f"postgres://lumaweb:{MARKER}@{where}/lumaweb"
    site = an_empty_site(tmp_path, DATABASE_URL=url, **servers.SECRETS)
    status, printed = doctored(site.env)
    assert status == 1 and f"fail  database: The database on {where} cannot be used: Connection refused." in printed
    assert "Start the database server, or correct the host and the port in DATABASE_URL." in printed
    assert MARKER not in printed
    (tmp_path / "more").mkdir()
    site = an_empty_site(tmp_path / "more", REDIS_URL=f"redis://:{MARKER}@{where}/0")
    site.migrate()
    status, printed = doctored(site.env, "--offline")
    assert status == 1 and "fail  queue: The queue in Redis does not work: nothing listens there." in printed
    assert MARKER not in printed


def test_a_bucket_is_tested_by_a_write_and_its_links(tmp_path):
    s3 = S3Server(tmp_path / "s3").start()
    try:
        site = an_empty_site(tmp_path, **s3.env)
        found = storage_of(site.env)
        assert [finding["level"] for finding in found] == ["ok", "ok"]
        assert "Links to 127.0.0.1:" in found[0]["words"] and "in the bucket" in found[1]["words"]
        [closed] = storage_of(site.env | {"LUMAWEB_S3_SECRET_KEY": MARKER})
        assert closed["level"] == "fail" and "LUMAWEB_S3_BUCKET" in closed["mend"]
        nowhere = f"http://127.0.0.1:{a_free_port()}"
        broken = storage_of(site.env | {"LUMAWEB_S3_PUBLIC_ENDPOINT": nowhere})[0]
        assert broken["level"] == "fail" and "nothing listens there" in broken["words"]
        assert "LUMAWEB_S3_PUBLIC_ENDPOINT" in broken["mend"]
        assert not list((tmp_path / "s3").rglob("doctor-*"))
    finally:
        s3.stop()
        s3.relay.shutdown()
        s3.relay.server_close()


def storage_of(env: dict) -> list[dict]:
    _, printed = doctored(env, "--offline", "--json")
    assert MARKER not in printed
    return [finding for finding in json.loads(printed)["findings"] if finding["look"] == "storage"]


def test_a_running_installation_passes_every_check(tmp_path):
    site = Installation(tmp_path / "site")
    site.env["LUMAWEB_PUBLIC_URL"] = site.url
    try:
        site.start()
        ada = site.visitor()
        ada.wait_for(ada.submit(prompt="A lighthouse"), "completed")
        site.folder.chmod(0o750)
        status, printed = doctored(site.env, "--json")
        found = json.loads(printed)["findings"]
        bad = [finding for finding in found if finding["level"] == "fail"]
        assert (status, bad, json.loads(printed)["ok"]) == (0, [], True)
        levels = levels_of(printed)
        assert levels.keys() == {check.name for check in doctor.CHECKS}
        for name in ("queue", "workers", "ticker", "tokens", "tokens at the provider", "public address", "callbacks"):
            assert levels[name] == {"ok"}, [finding for finding in found if finding["look"] == name]
    finally:
        site.stop()


def test_a_missing_media_host_of_the_provider_is_reported(settings):
    assert said_by(provider.media_hosts).startswith("ok: ")
    settings.MEDIA_HOSTS = ["PLATFORM.cdn.acedata.cloud", "media.example.com", "storage.cdn-luma.com"]
    said = said_by(provider.media_hosts)
    assert said.startswith("warn: LUMAWEB_MEDIA_HOSTS lacks platform2.cdn.acedata.cloud, cdn.acedata.cloud: ")
