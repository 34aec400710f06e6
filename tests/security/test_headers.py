"""Security headers on every page, and forwarded headers that are not trusted."""

import http.client
import re

import pytest
from csp.constants import SELF
from django.conf import settings as installation
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from videos.models import Member

from ..support.endpoints import Team, addresses, path_of
from ..support.factories import a_member
from ..support.installation import ROOT, Installation
from ..support.settings_process import security_settings

pytestmark = pytest.mark.django_db

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "media-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}
INLINE = re.compile(
    r"<style|\sstyle=|\son[a-z]+=\"|javascript:|<script(?![^>]*\ssrc=)(?![^>]*type=\"application/json\")"
)


def is_strict(answer) -> None:
    """Fail unless the response has the whole policy and its companion headers."""
    assert set(answer["Content-Security-Policy"].split("; ")) == POLICY
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


def test_every_page_has_the_one_strict_policy_and_nothing_inline():
    team = Team()
    team.trashed.restore(team.ada)
    pages = 0
    for who in ("nobody", "author", "admin"):
        client = team.client(who)
        for address in addresses():
            answer = client.get(path_of(address, team))
            is_strict(answer)
            if answer.headers.get("Content-Type", "").startswith("text/html"):
                pages += bool(answer.content)
                # Django's admin pages are not ours to change: the policy protects them.
                found = None if address.is_of_the_admin else INLINE.search(answer.content.decode())
                assert not found, f"{address.name} as {who}: {found}"
    assert pages > 60


def test_error_pages_have_the_policy(client):
    a_member()
    client.raise_request_exception = False
    client.force_login(Member.objects.get())
    strict = Client(enforce_csrf_checks=True)
    answers = {
        404: client.get("/nothing/here/"),
        405: client.get("/generations/"),
        403: strict.post("/login/", {}),
        400: client.get("/", headers={"Host": "elsewhere.example"}),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        is_strict(answer)


UNREADABLE = [
    ("application/x-www-form-urlencoded; charset=utf-16", b"\xff\xfea"),
    ("application/x-www-form-urlencoded", b"v=1&" * 600),
    ("multipart/form-data", b"--x"),
]


@pytest.mark.parametrize(("content_type", "body"), UNREADABLE, ids=["charset", "fields", "no boundary"])
@pytest.mark.parametrize("path", ["/login/", "/nothing/here/", "/generations/", "/admin/", "/setup/", "/broken/"])
def test_an_unreadable_form_is_answered_with_400(settings, path, content_type, body):
    settings.ROOT_URLCONF = "tests.support.broken_urls"
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(a_member())
    client.cookies[installation.CSRF_COOKIE_NAME] = "a" * 32
    answer = client.generic("POST", path, body, content_type=content_type, headers={"X-CSRFToken": "a" * 32})
    assert answer.status_code in (400, 403, 404) or (path == "/broken/" and answer.status_code == 500)
    is_strict(answer)
    assert b"<h1>" in answer.content


def test_the_500_page_has_the_policy_and_hides_the_error(client, settings):
    a_member()
    client.raise_request_exception = False
    settings.ROOT_URLCONF = "tests.support.broken_urls"
    answer = client.get("/broken/")
    assert answer.status_code == 500
    is_strict(answer)
    page = answer.content.decode()
    assert "Traceback" not in page and "marked-in-the-fault" not in page and not INLINE.search(page)


def test_the_policy_allows_only_the_configured_sources():
    assert installation.MEDIA_SOURCES == [SELF]
    sources = {source for sources in installation.CONTENT_SECURITY_POLICY["DIRECTIVES"].values() for source in sources}
    assert sources == {SELF, "blob:", "'none'"}


# ── Sessions ──────────────────────────────────────────────────────────────────────────────────────────────────

PASSWORD = "correct-horse-9"


def test_a_sign_in_starts_a_new_session_and_a_sign_out_ends_it(client):
    Member.objects.create_user("ada", password=PASSWORD)
    client.cookies[installation.SESSION_COOKIE_NAME] = "planted0planted0planted0planted0"
    client.post("/login/", {"username": "ada", "password": PASSWORD})
    first = client.cookies[installation.SESSION_COOKIE_NAME]
    assert not first.value.startswith("planted") and first["httponly"] and first["samesite"] == "Lax"
    client.post("/logout/")
    assert not Session.objects.filter(session_key=first.value).exists()
    client.cookies[installation.SESSION_COOKIE_NAME] = first.value
    assert client.get("/").status_code == 302
    client.post("/login/", {"username": "ada", "password": PASSWORD})
    assert client.cookies[installation.SESSION_COOKIE_NAME].value != first.value


def test_a_new_password_ends_every_other_session():
    ada, here, there = a_member("ada"), Client(), Client()
    for client in (here, there):
        client.force_login(ada)
    ada.set_password("another-horse-10")
    ada.save()
    assert {client.get("/").status_code for client in (here, there)} == {302}


def test_a_sign_in_redirects_only_to_lumaweb(client):
    Member.objects.create_user("ada", password=PASSWORD)
    for elsewhere in (
        "https://evil.example/",
        "//evil.example/",
        "javascript:x",
        "http:evil",
        "/\\evil.example",
    ):
        answer = client.post(f"/login/?next={elsewhere}", {"username": "ada", "password": PASSWORD})
        assert (answer.status_code, answer["Location"]) == (302, "/")
        client.post("/logout/")


# ── Production settings, each read by a separate process ────────────────────────────────────────────────────


def test_behind_tls_cookies_are_secure_and_hsts_is_set(tmp_path):
    found = security_settings(tmp_path, LUMAWEB_PUBLIC_URL="https://films.example.com")
    assert found["SESSION_COOKIE_SECURE"] and found["CSRF_COOKIE_SECURE"] and found["SECURE_SSL_REDIRECT"]
    assert found["SECURE_HSTS_SECONDS"] >= 365 * 24 * 3600
    assert found["SESSION_COOKIE_NAME"].startswith("__Host-") and found["CSRF_COOKIE_NAME"].startswith("__Host-")
    assert found["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://films.example.com"]
    assert "*" not in found["ALLOWED_HOSTS"]


@pytest.mark.parametrize("env", [{}, {"LUMAWEB_PUBLIC_URL": ""}, {"LUMAWEB_PUBLIC_URL": "http://films.example.com"}])
def test_without_tls_forwarded_headers_are_ignored(tmp_path, env):
    found = security_settings(tmp_path, **env)
    assert found["SECURE_PROXY_SSL_HEADER"] is None
    assert not (found["USE_X_FORWARDED_HOST"] or found["USE_X_FORWARDED_PORT"])
    assert not (found["SESSION_COOKIE_SECURE"] or found["SECURE_SSL_REDIRECT"] or found["SECURE_HSTS_SECONDS"])


def test_behind_tls_the_middleware_redirects_and_sets_headers(settings, client):
    """These settings are read at each request, as they are behind TLS."""
    a_member()
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.ALLOWED_HOSTS = ["films.example.com"]
    here = {"Host": "films.example.com"}
    for said, believed in (("https", True), ("http", False), ("http,https", False), ("", False)):
        request = client.get("/login/", headers=here | {"X-Forwarded-Proto": said}).wsgi_request
        assert request.is_secure() is believed, said
    answer = client.get("/login/", headers=here | {"X-Forwarded-Proto": "https"})
    cookie = answer.cookies[installation.CSRF_COOKIE_NAME]
    assert cookie["secure"] and cookie["httponly"] and cookie["samesite"] == "Lax" and not cookie["domain"]
    for spoofed in ("evil.example", "films.example.com.evil.example", "films.example.com@evil.example"):
        assert client.get("/login/", headers={"Host": spoofed}).status_code == 400
        page = client.get("/login/", headers=here | {"X-Forwarded-Host": spoofed, "Forwarded": f"host={spoofed}"})
        assert page.status_code == 200 and spoofed not in page.content.decode()


# ── The real web server on loopback ───────────────────────────────────────────────────────────────────────────

SPOOFED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Protocol": "ssl",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "444",
    "X-Forwarded-For": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;host=evil.example;proto=https",
    "X-Real-Ip": "203.0.113.9",
    "Script-Name": "/evil",
    "SCRIPT_NAME": "/evil",
    "PATH_INFO": "/robots.txt",
    "X_Forwarded_Proto": "https",
    "X-Original-Url": "/robots.txt",
    "X-Rewrite-Url": "/robots.txt",
    "X-Http-Method-Override": "DELETE",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("site"), FORWARDED_ALLOW_IPS="*").start(only=("web",))
    yield site
    site.stop()


def asked(site: Installation, path: str, headers: dict[str, str], method: str = "GET") -> tuple[int, dict, bytes]:
    """Return the server's response to exactly these headers, without the date."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        other = ("date", "expires", "set-cookie", "x-request-id")  # at each answer
        told = {name.lower(): value for name, value in answer.getheaders() if name.lower() not in other}
        body = re.sub(rb'\b[A-Za-z0-9]{64}\b|name="server-time" content="\d+"', b"", answer.read())
        return answer.status, told, body
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/login/", "/healthz", "/nothing/", "/login"])
def test_on_loopback_forwarded_headers_are_ignored(site, path):
    plain = asked(site, path, {})
    for name, value in SPOOFED.items():
        assert asked(site, path, {name: value}) == plain, name
    assert asked(site, path, SPOOFED) == plain


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1:80@evil.example", "[::1", ""])
def test_a_spoofed_host_is_refused_and_not_echoed(site, host):
    status, _, body = asked(site, "/login/", {"Host": host})
    assert status == 400 and b"evil" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/css/",
        "/media/",
        "/videos/",
        "/frames/",
        "/static/../lumaweb.sqlite3",
        "/static/%2e%2e/secret-key",
    ],
)
def test_no_folder_is_listed_and_nothing_beside_the_static_files_is_served(site, path):
    status, headers, body = asked(site, path, {})
    assert status in (302, 400, 404) and b"SQLite" not in body
    assert status != 302 or headers["location"].startswith("/login/")


@pytest.mark.parametrize("path", ["/", "/login/", "/nothing/", "/healthz"])
def test_too_many_query_fields_are_answered_with_400(site, path):
    for content_type in ("", "text/plain; charset=utf-7", "text/plain; charset=nonsense"):
        status, _, _ = asked(site, f"{path}?{'v=1&' * 600}", {"Content-Type": content_type})
        assert status in (200, 302, 400, 404)


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_files_have_fixed_content_types_and_nosniff():
    team = Team()
    uuid = team.saved.uuid
    author, nobody = team.client("author"), team.client("nobody")
    cases = [
        (author, reverse("video", args=[uuid]), "video/mp4", ""),
        (author, reverse("video", args=[uuid]) + "?download=1", "video/mp4", "attachment; filename="),
        (author, reverse("thumbnail", args=[uuid]), "image/jpeg", "inline"),
        (author, reverse("poster", args=[uuid]), "image/webp", "inline"),
        (author, reverse("frame", args=[team.frame.uuid]), "image/jpeg", "inline"),
        (nobody, reverse("provider-frame", args=[team.frame_key]), "image/jpeg", "inline"),
        (nobody, reverse("provider-video", args=[team.video_key]), "video/mp4", "inline"),
    ]
    for client, path, content_type, disposition in cases:
        answer = client.get(path)
        assert (answer.status_code, answer["Content-Type"]) == (200, content_type), path
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer.headers.get("Content-Disposition", "").startswith(disposition), path
        is_strict(answer)
        assert "public" not in answer["Cache-Control"], path
        b"".join(answer.streaming_content)
    answer = author.post("/selection/zip/", {"v": [str(uuid)]})
    assert answer["Content-Disposition"].startswith("attachment;") and answer["Content-Type"] == "application/zip"
    b"".join(answer.streaming_content)


# ── What is said about it ─────────────────────────────────────────────────────────────────────────────────────


def test_every_test_named_in_the_security_page_exists():
    named = re.findall(r"`((?:\w+/)*test_\w+\.py)::(test_\w+)`", (ROOT / "docs/operator/security.md").read_text())
    assert len(named) > 40
    for file, name in named:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(), f"{file}::{name}"
