"""Doors that were found open, or broken: each stays mended."""

import gzip
import io
import json
import os
import re
import socket
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path

import brotli
import pytest
from django.conf import settings as installation
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import parse_cookie
from django.test import Client
from django.utils import timezone

from lumaweb import environment
from videos.forms import SetupForm
from videos.media import storage
from videos.models import ApiToken, Frame, Generation, Member, State, Submission, TemporaryLink
from videos.views.account import setup_code

from ..support.factories import a_generation, a_member, a_result, a_token
from ..support.installation import ROOT, Installation

pytestmark = pytest.mark.django_db

NO_ADDRESS = {"HX-Request": "true", "HX-Current-URL": "http://["}
ON_THE_WALL = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}


# ── Requests that answered 500 ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["HX-Current-URL", "Referer"])
@pytest.mark.parametrize(
    "address", ["http://[", "http://evil.example/", "http://testserver//evil.example/", "//x", "\xff"]
)
def test_a_page_that_is_none_of_ours_is_no_way_back_after_the_sign_in(name, address):
    a_member()
    answer = Client().get("/live/", headers={"HX-Request": "true", name: address})
    assert answer["HX-Redirect"] == "/login/?next=/"


def test_the_way_back_after_the_sign_in_is_quoted():
    a_member()
    headers = ON_THE_WALL | {"Referer": "http://testserver/?before=7&next=//x"}
    assert Client().get("/live/", headers=headers)["HX-Redirect"] == "/login/?next=/%3Fbefore%3D7%26next%3D//x"


def test_no_redirect_is_built_from_the_address_that_htmx_sends(client, ada):
    said = {"HX-Current-URL": "http://testserver/said/?by=htmx"}
    signed_out = Client().get("/live/", headers=said | {"HX-Request": "true"})
    assert signed_out["HX-Redirect"] == "/login/?next=/"
    generation = a_generation(ada)
    acts = {name: f"/selection/{name}/" for name in ("zip", "stars", "trash", "restoration", "retries")}
    acts |= {name: f"/generations/{generation.uuid}/{name}/" for name in ("star", "choice", "cancellation", "retries")}
    for headers in (said, said | {"HX-Request": "true"}):
        for path in acts.values():
            answer = client.post(path, {"v": [str(generation.uuid)], "on": "1", "choice": ""}, headers=headers)
            assert answer.status_code in (200, 302), path
            for header in ("Location", "HX-Redirect", "HX-Location", "HX-Push-Url"):
                assert "said" not in answer.headers.get(header, ""), path


@pytest.mark.parametrize("headers", [NO_ADDRESS, {"HX-Request": "true"}], ids=["no address", "not said"])
@pytest.mark.parametrize("act", ["trash", "restoration", "deletion", "cancellation", "dismissal", "retries", "saving"])
def test_every_act_goes_without_the_page_it_was_made_on(client, ada, act, headers):
    generation = a_generation(ada)
    if act == "restoration":
        generation.trash(ada)
    assert client.post(f"/generations/{generation.uuid}/{act}/", headers=headers).status_code == 200


@pytest.mark.parametrize("since", ["-62135596800", "0", "253402300799"])
def test_a_poll_from_the_beginning_of_time_is_answered(client, ada, since):
    assert client.get("/live/", {"since": since}).status_code == 204


def test_a_session_key_that_was_never_made_here_is_not_looked_up(client, django_assert_num_queries):
    a_member()
    client.get("/login/")  # somebody is here: that is only asked once
    # As a header of its own: newer releases of Python's http.cookies refuse to build such a cookie.
    planted = {"cookie": f'{installation.SESSION_COOKIE_NAME}="\\000aaaaaaaaaaa"'}
    with django_assert_num_queries(0):
        answer = client.get("/live/", headers=planted)
    assert answer.status_code == 302
    sent = parse_cookie(answer.wsgi_request.META["HTTP_COOKIE"])
    assert sent[installation.SESSION_COOKIE_NAME].startswith("\0"), "the server would read another key"


def test_a_card_that_was_thrown_away_meanwhile_leaves_the_page(client, ada, monkeypatch):
    generation = a_generation(ada)
    monkeypatch.setattr(Generation, "cancel", thrown_away_meanwhile)
    answer = client.post(f"/generations/{generation.uuid}/cancellation/", headers=ON_THE_WALL)
    assert answer.status_code == 200
    assert f'id="generation-{generation.uuid}" data-own hx-swap-oob="delete"' in answer.content.decode()


def thrown_away_meanwhile(generation, member) -> bool:
    """What another window does between the look-up and the cancel."""
    now = timezone.now()
    Generation.objects.filter(pk=generation.pk).update(state=State.CANCELED, finished_at=now, trashed_at=now)
    return False


def test_a_token_with_an_address_nobody_can_read_stops_no_form(client, ada):
    ApiToken.objects.filter(pk=a_token().pk).update(base_url="http://[")
    asked = {"prompt": "A", "start_image_url": "https://example.com/a.jpg"}
    assert client.post("/generations/", asked).status_code == 302


@pytest.mark.parametrize(
    "value", ["https://x.example/path", "https://x.example/?q=1", "https://x.example/#f", "https://@x"]
)
def test_an_origin_has_no_path(value):
    with pytest.raises(ImproperlyConfigured, match="set it to an address such as"):
        environment.check_origin("LUMAWEB_PUBLIC_URL", value)
    assert environment.check_origin("X", "https://x.example:8443/") == "https://x.example:8443"


# ── What is sent, and how ─────────────────────────────────────────────────────────────────────────────────────


def a_saved_video(member) -> Generation:
    generation = a_generation(member)
    generation.claim() or pytest.fail("there is no token")
    generation.record(a_result(), "callback")
    name = default_storage.save("videos/x.mp4", ContentFile(b"a" * 5000))
    Generation.objects.filter(pk=generation.pk).update(video_file=name, sha256="0" * 64, archive="saved")
    return generation


def test_videos_are_not_compressed_and_pages_are(client, ada):
    a_token(base_url="http://127.0.0.1:8801")
    generation = a_saved_video(ada)
    for headers, status, length in (({}, 200, "5000"), ({"Range": "bytes=0-999"}, 206, "1000")):
        answer = client.get(f"/generations/{generation.uuid}/video", headers={"Accept-Encoding": "gzip"} | headers)
        assert (answer.status_code, answer.get("Content-Length")) == (status, length)
        assert "Content-Encoding" not in answer and answer["ETag"] == f'"{"0" * 64}"'
    assert client.get("/", headers={"Accept-Encoding": "gzip"})["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0, gzip", "gzip"),
        ("gzip, br;q=0.5", "br"),
        ("identity", None),
        ("", None),
    ],
)
def test_a_page_is_compressed_the_best_way_its_reader_knows(client, accepted, encoding):
    client.force_login(a_member("eve"))
    plain = client.get("/trash/").content
    answer = client.get("/trash/", headers={"Accept-Encoding": accepted})
    assert answer.get("Content-Encoding") == encoding
    assert "Accept-Encoding" in answer["Vary"]
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    assert len(unpack(answer.content)) == len(plain)
    assert int(answer.get("Content-Length", len(answer.content))) == len(answer.content)


class InChunks(io.BytesIO):
    """What a web server hands over for a body in chunks: it ends by itself, or breaks."""

    broken = False

    def read(self, size=-1):
        if self.broken:
            raise RuntimeError("a type of the server's own")
        return super().read(size)


@pytest.mark.parametrize(("size", "broken", "status"), [(10, False, 204), (70_000, False, 413), (10, True, 400)])
def test_a_callback_in_chunks_is_read_to_its_end(client, size, broken, status):
    a_token(base_url="http://127.0.0.1:8801")
    generation = a_generation()
    path = "/" + generation.claim().callback_url.split("/", 3)[3]
    result = {"success": True, "task_id": "t", "video_url": "https://example.com/v.mp4", "state": "completed"}
    stream = InChunks(json.dumps(result | {"prompt": "x" * size}).encode())
    stream.broken = broken
    environ = {"wsgi.input": stream, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    answer = client.post(path, content_type="application/json", **environ)
    assert answer.status_code == status
    generation.refresh_from_db()
    assert (generation.state == State.COMPLETED) == (status == 204)


@pytest.mark.django_db(transaction=True)
def test_a_callback_in_chunks_through_the_real_web_server(tmp_path):
    site = Installation(tmp_path / "data")
    try:
        site.start(only=("web",))
        path = site.python(
            "from videos.models import *\nimport uuid\n"
            "token = ApiToken(name='t', base_url='http://127.0.0.1:9'); token.secret = 's'; token.save()\n"
            "s, _ = Submission.objects.open(Member.objects.get(), uuid.uuid4(), 1, prompt='A')\n"
            "print('/' + s.generations.get().claim().callback_url.split('/', 3)[3])"
        ).splitlines()[-1]
        body = b'{"success": false, "task_id": "t", "error": {"code": "api_error", "message": "no"}}'
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        answers = []
        for chunks in (b"zz\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)):
            with socket.create_connection(("127.0.0.1", site.port), timeout=10) as line:
                line.sendall(head.encode() + chunks)
                answers.append(line.recv(4096).split()[1])
        assert answers == [b"400", b"204"]
    finally:
        site.stop()


def test_an_edited_form_is_another_submission_and_the_same_form_is_not(client, ada):
    key = str(uuid.uuid4())
    asked = {"submission_key": key, "prompt": "A", "count": "1"}
    more = {"count": "2", "again": "1"}  # of the same video, which is still queued
    for changes in ({}, {}, {"prompt": "B"}, more, more, {"loop": "true"}, {"prompt": "B"}):
        assert client.post("/generations/", asked | changes).status_code == 302
    assert Submission.objects.count() == 4
    # Without a key each is a submission of its own.
    client.post("/generations/", {"prompt": "A", "again": "1"})
    client.post("/generations/", {"prompt": "A", "again": "1"})
    assert Submission.objects.count() == 6


def test_a_form_with_another_frame_is_another_submission(client, ada):
    a_token(base_url="http://127.0.0.1:8801")
    frames = [
        Frame.objects.create(sha256=letter * 64, file="frames/x.jpg", width=4, height=4, size_bytes=6, member=ada)
        for letter in "ab"
    ]
    key = str(uuid.uuid4())
    for frame in (*frames, frames[0]):
        asked = {"submission_key": key, "prompt": "A", "mode": "frames", "start_frame": str(frame.uuid)}
        assert client.post("/generations/", asked).status_code == 302
    assert Submission.objects.count() == 2


def test_an_unconfirmed_row_keeps_its_frame_open_for_a_day_only(client, ada):
    a_token(base_url="http://127.0.0.1:8801")
    name = default_storage.save("frames/y.jpg", ContentFile(b"\xff\xd8jpeg"))
    frame = Frame.objects.create(sha256="1" * 64, file=name, width=4, height=4, size_bytes=6, member=ada)
    generation = a_generation(ada, start_frame=frame)
    path = "/" + generation.request(generation.claim(), {}).start_image_url.split("/", 3)[3]
    Generation.objects.filter(pk=generation.pk).update(state=State.UNCONFIRMED)
    TemporaryLink.objects.update(created_at=timezone.now() - timedelta(hours=23))
    assert client.get(path).status_code == 200
    TemporaryLink.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert client.get(path).status_code == 404


def test_a_cancel_that_comes_too_late_says_so(client, ada):
    a_token()
    generation = a_generation(ada)
    generation.claim()
    path = f"/generations/{generation.uuid}/cancellation/"
    answer = client.post(path, headers=ON_THE_WALL)
    assert "cannot be stopped" in json.loads(answer["HX-Trigger"])["toast"]["text"]
    here = ON_THE_WALL | {"HX-Current-URL": f"http://testserver/generations/{generation.uuid}/"}
    assert client.post(path, headers=here)["HX-Refresh"] == "true"
    assert "cannot be stopped" in client.get(f"/generations/{generation.uuid}/").content.decode()


def test_a_cancel_pressed_twice_says_nothing(client, ada):
    generation = a_generation(ada)
    for _ in range(2):
        answer = client.post(f"/generations/{generation.uuid}/cancellation/", headers=ON_THE_WALL)
        assert answer.status_code == 200 and "HX-Trigger" not in answer


def test_the_pages_of_a_refused_request_are_ours():
    a_member()
    strict = Client(enforce_csrf_checks=True)
    for answer, status, words in (
        (strict.post("/login/", {}), 403, "This page was out of date"),
        (strict.get("/", headers={"Host": "elsewhere.example"}), 400, "That made no sense to us"),
    ):
        page = answer.content.decode()
        assert (answer.status_code, words in page) == (status, True)
        assert "style=" not in page and "<style" not in page


# ── The first admin ───────────────────────────────────────────────────────────────────────────────────────────

FIRST = {"username": "eve", "password1": "correct-horse-9", "password2": "correct-horse-9"}


@pytest.fixture
def beyond_loopback(settings):
    settings.ON_LOOPBACK = False
    return settings


def test_beyond_loopback_the_first_admin_needs_the_code(client, beyond_loopback):
    assert 'name="code"' in client.get("/setup/").content.decode()
    for wrong in ("", "guess", "\u00e9"):
        assert client.post("/setup/", FIRST | {"code": wrong}).status_code == 422
    assert client.post("/setup/", FIRST | {"code": setup_code()}).status_code == 302
    assert Member.objects.get().is_superuser


def test_an_empty_code_opens_nothing(beyond_loopback):
    assert "code" in SetupForm(FIRST, code="").errors


def test_every_machine_of_an_installation_has_the_same_code_and_no_other_has_it(beyond_loopback, tmp_path):
    code = setup_code()
    assert re.fullmatch("[0-9a-f]{8}", code)
    beyond_loopback.DATA_DIR = tmp_path
    assert setup_code() == code
    beyond_loopback.SECRET_KEY = "another-installation-s"
    assert setup_code() != code


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────────────────


def settings_of(folder: Path, show: str, **env: str) -> subprocess.CompletedProcess:
    """Read the settings in a process of their own, with nothing of ours in its environment but `env`."""
    clean = {
        name: value for name, value in os.environ.items() if not re.match("LUMAWEB|HOST|DATABASE_URL|DJANGO", name)
    }
    return subprocess.run(
        [sys.executable, "-c", f"from lumaweb import settings; print({show})"],
        cwd=ROOT,
        env=clean | {"LUMAWEB_DATA_DIR": str(folder)} | env,
        capture_output=True,
        text=True,
        timeout=60,
    )


KEYS = {"LUMAWEB_SECRET_KEY": "x" * 50, "LUMAWEB_ENCRYPTION_KEYS": "x"}


@pytest.mark.parametrize(
    ("hosts", "on_loopback"),
    [("localhost,[::1]", True), ("localhost,films.example.com", False), ("*", False), ("", True)],
)
def test_another_name_is_beyond_loopback(tmp_path, hosts, on_loopback):
    done = settings_of(tmp_path, "settings.ON_LOOPBACK", LUMAWEB_ALLOWED_HOSTS=hosts, **KEYS)
    assert done.stdout.strip() == str(on_loopback), done.stderr


def test_keys_that_were_made_here_are_named_when_they_have_to_be_given(tmp_path):
    public = {"LUMAWEB_PUBLIC_URL": "https://films.example.com"}
    assert "set it to the output of" in settings_of(tmp_path, "1", **public).stderr
    assert settings_of(tmp_path, "1").returncode == 0
    words = settings_of(tmp_path, "1", **public).stderr
    assert "has one already in" in words and str(tmp_path / "secret-key") in words
    assert "set it to the output of" not in words


def test_a_url_binds_no_whole_domain(tmp_path):
    shown = "settings.SECURE_HSTS_INCLUDE_SUBDOMAINS, settings.SECURE_HSTS_PRELOAD, settings.SECURE_HSTS_SECONDS > 0"
    done = settings_of(tmp_path, shown, LUMAWEB_PUBLIC_URL="https://films.example.com", **KEYS)
    assert done.stdout.strip() == "False False True", done.stderr


def test_a_database_of_an_unknown_kind_is_refused_in_words(tmp_path):
    done = settings_of(tmp_path, "1", DATABASE_URL="nonsense://x/y", **KEYS)
    assert "ImproperlyConfigured: DATABASE_URL cannot be read" in done.stderr
    # SQLite by an address would be without all that makes it safe here.
    done = settings_of(tmp_path, "1", DATABASE_URL=f"sqlite:///{tmp_path}/x.sqlite3", **KEYS)
    assert "ImproperlyConfigured: DATABASE_URL is for PostgreSQL" in done.stderr


def test_a_database_that_is_silent_is_not_waited_for_until_the_watchdog_bites(tmp_path):
    url = "postgres://luma@db.example.com/films?sslmode=require&connect_timeout=3"
    shown = (
        "[settings.DATABASES['default']['OPTIONS'].get(n) for n in ('sslmode', 'connect_timeout', 'tcp_user_timeout')]"
    )
    done = settings_of(tmp_path, shown, DATABASE_URL=url, **KEYS)
    assert done.stdout.strip() == "['require', 3, 25000]", done.stderr


def test_no_host_named_is_none_taken_away(tmp_path):
    unset, empty = (settings_of(tmp_path, "settings.MEDIA_HOSTS", **env) for env in ({}, {"LUMAWEB_MEDIA_HOSTS": ""}))
    assert unset.stdout == empty.stdout != "[]\n"


# ── Media ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_saved_file_and_its_folders_are_put_on_the_disk(monkeypatch):
    name = default_storage.save("videos/ab/z.mp4", ContentFile(b"video"))
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    storage.flush_to_disk(name)
    path = Path(default_storage.path(name))
    places = (path, path.parent, path.parent.parent, Path(installation.MEDIA_ROOT))
    assert synced == [place.stat().st_ino for place in places]
