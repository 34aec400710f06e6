"""Media in object storage, against an S3 server that checks signatures and expires links."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import time
import uuid
import zipfile
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from lumaweb.environment import rules
from lumaweb.environment.services import Bucket
from lumaweb.environment.variables import data, object_storage
from lumaweb.error_reports import Filter
from videos import tasks
from videos.jobs import saving, sweep
from videos.media import saved_videos
from videos.models import Frame, Generation, Heartbeat, OrphanedFile, Share, TemporaryLink
from videos.views import delivery

from ..support.factories import a_generation, a_member, a_result, running
from ..support.installation import Installation
from ..support.installation_contents import FILL, READ_BACK
from ..support.s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server
from ..support.sample_videos import noise_video, read_unchecked

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = S3Server(tmp_path_factory.mktemp("objects") / "s3").start()
    yield server
    server.close()


@pytest.fixture
def s3(server):
    if not server.is_alive:
        server.start()
    server.asked.clear()
    yield server
    server.dies_after = None


@pytest.fixture(autouse=True)
def bucket(s3, settings, tmp_path, monkeypatch):
    """Store media under a separate prefix of the bucket for each test, beside an empty media folder."""
    # What one test has learnt of a dead server is no news to the next.
    monkeypatch.setattr(delivery, "_unavailable_until", 0.0)
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.BUCKET = Bucket(BUCKET, s3.url, s3.url, "us-east-1", "path", uuid.uuid4().hex, 600)
    settings.STORAGES = settings.STORAGES | {
        "folder": settings.STORAGES["folder"] | {"OPTIONS": {"location": settings.MEDIA_ROOT, "base_url": None}},
        "default": storage_at(settings.BUCKET),
    }
    return settings.BUCKET


def storage_at(bucket: Bucket, **keys) -> dict:
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY} | keys
    return {"BACKEND": "lumaweb.object_storage.BucketStorage", "OPTIONS": {"bucket": bucket, **keys}}


def stored_in(s3, bucket) -> dict[str, bytes]:
    """Return the objects under this test's prefix, read directly from the server."""
    part = s3.folder / BUCKET / bucket.prefix
    return {path.relative_to(part).as_posix(): path.read_bytes() for path in part.rglob("*") if path.is_file()}


@pytest.fixture
def ada(client):
    ada = a_member("ada", is_superuser=True)
    client.force_login(ada)
    return ada


def finished(stub, mp4: bytes, **asked) -> Generation:
    """Create a video that the provider has finished and that is not saved yet."""
    path = f"/{uuid.uuid4()}.mp4"
    stub.files[path] = mp4
    generation = a_generation(**asked)
    assert generation.claim()
    task_id = str(uuid.uuid4())
    generation.record(running(task_id), "answer")
    generation.record(a_result(task_id, video_url=stub.url + path), "callback")
    return generation


def saved(stub, mp4: bytes, **asked) -> Generation:
    generation = finished(stub, mp4, **asked)
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved", generation.events.last().text
    return generation


def files_of(generation) -> list[str]:
    return [generation.video_file.name, generation.thumbnail_file.name, generation.poster_file.name]


def link_to(client, generation, query: str = "", **headers) -> str:
    answer = client.get(reverse("video", args=[generation.uuid]) + query, headers=headers)
    assert (answer.status_code, answer.content) == (302, b"")
    return answer["Location"]


def fetch(link: str, method: str = "GET", **headers) -> httpx.Response:
    return httpx.request(method, link, headers=headers, trust_env=False, timeout=20)


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────────────────


def read(monkeypatch, **variables: str) -> Bucket | None:
    for name in [name for name in os.environ if name.startswith("LUMAWEB_S3")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(f"LUMAWEB_S3_{name}", value)
    rules.require_valid()
    return object_storage.bucket()


def test_no_bucket_is_configured_by_default(monkeypatch):
    assert read(monkeypatch) is None
    assert read(monkeypatch, ENDPOINT="https://s3.example.com", SECRET_KEY="x") is None


@pytest.mark.parametrize(
    "variables, endpoint, origin",
    [
        ({}, "https://s3.us-east-1.amazonaws.com", "https://films.s3.us-east-1.amazonaws.com"),
        (
            {"REGION": "eu-central-1"},
            "https://s3.eu-central-1.amazonaws.com",
            "https://films.s3.eu-central-1.amazonaws.com",
        ),
        ({"ENDPOINT": "https://s3.example.com/"}, "https://s3.example.com", "https://s3.example.com"),
        (
            {"ENDPOINT": "http://minio:9000", "PUBLIC_ENDPOINT": "https://media.example.com"},
            "http://minio:9000",
            "https://media.example.com",
        ),
        (
            {"ENDPOINT": "https://s3.example.com", "ADDRESSING": "virtual"},
            "https://s3.example.com",
            "https://films.s3.example.com",
        ),
    ],
)
def test_a_bucket_is_read_from_the_environment(monkeypatch, variables, endpoint, origin):
    found = read(monkeypatch, BUCKET="films", **variables)
    assert (found.endpoint, found.origin, found.link_seconds) == (endpoint, origin, 600)


@pytest.mark.parametrize(
    "name, value",
    [
        ("BUCKET", "no such name/"),
        ("BUCKET", "x"),
        ("ENDPOINT", "s3.example.com"),
        ("ENDPOINT", "https://s3.example.com/films"),
        ("PUBLIC_ENDPOINT", "ftp://s3.example.com"),
        ("REGION", "eu central"),
        ("ADDRESSING", "dns"),
        ("PREFIX", "../films"),
        ("PREFIX", "a//b"),
        ("LINK_SECONDS", "5"),
        ("LINK_SECONDS", "86400"),
        ("SECRET_KEY", "half-of-a-pair"),
    ],
)
def test_an_invalid_value_stops_the_start_with_a_message_without_secrets(monkeypatch, name, value):
    with pytest.raises(ImproperlyConfigured) as stop:
        read(monkeypatch, **({"BUCKET": "films"} | {name: value}))
    said = str(stop.value)
    assert f"LUMAWEB_S3_{name}" in said and "set" in said.lower()
    assert "half-of-a-pair" not in said


@pytest.mark.parametrize("value", ["protected", "/protected", "protected/", "//", "/a b/", "/../", "https://x/"])
def test_a_path_of_the_proxy_has_a_slash_at_both_ends(monkeypatch, value):
    monkeypatch.setenv("LUMAWEB_ACCEL_PREFIX", value)
    with pytest.raises(ImproperlyConfigured, match="LUMAWEB_ACCEL_PREFIX"):
        data.ACCEL_PREFIX.value  # noqa: B018  (raises)


LOOK_AT_THE_START = """
import json, sys
import django; django.setup()
from django.conf import settings
import lumaweb.wsgi
from django.core.files.storage import default_storage
lazy = not any(name in sys.modules for name in ("boto3", "botocore", "storages"))
print(json.dumps([lazy, settings.MEDIA_SOURCES, type(default_storage._wrapped or default_storage).__name__,
    type(default_storage.__class__).__name__, default_storage.__class__.__name__]))
"""


@pytest.mark.parametrize("with_bucket", [False, True])
def test_media_come_only_from_lumaweb_and_the_bucket_and_boto3_is_imported_only_with_one(s3, tmp_path, with_bucket):
    env = Installation(tmp_path / "home", **(s3.env if with_bucket else {})).env
    done = subprocess.run(
        [sys.executable, "-c", LOOK_AT_THE_START],
        cwd=ROOT,
        env=env | {"DJANGO_SETTINGS_MODULE": "lumaweb.settings"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lazy, loaded_from, *_, storage = json.loads(done.stdout)
    # The web server loads it before its processes part, and whoever has no bucket never does.
    assert lazy is not with_bucket
    assert loaded_from == ["'self'", s3.url] if with_bucket else ["'self'"]
    assert storage == ("BucketStorage" if with_bucket else "FileSystemStorage")


def test_no_page_of_an_error_shows_the_keys(settings, bucket):
    shown = repr(Filter().get_safe_settings()) + repr(bucket)
    assert SECRET_KEY not in shown and ACCESS_KEY not in shown


# ── Saving ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_video_is_saved_only_in_the_bucket(stub, token, mp4, s3, bucket, settings):
    generation = saved(stub, mp4)
    kept = stored_in(s3, bucket)
    assert sorted(kept) == sorted(files_of(generation))
    assert kept[generation.video_file.name] == mp4
    assert generation.sha256 == hashlib.sha256(mp4).hexdigest()
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []
    assert generation.video_file.open("rb").read() == mp4


def test_the_later_of_two_concurrent_saves_removes_only_its_own_files(stub, token, mp4):
    generation = finished(stub, mp4)
    first, second = (saved_videos.save_video(saving.remote_video(generation)) for _ in range(2))
    second.delete()
    assert len({first.video_file, second.video_file}) == 2
    assert [default_storage.exists(name) for name in (first.video_file, second.video_file)] == [True, False]


def test_an_object_is_never_overwritten(bucket):
    name = default_storage.save("videos/one.mp4", ContentFile(b"one"))
    other = default_storage.save("videos/one.mp4", ContentFile(b"two"))
    assert name == "videos/one.mp4" != other
    assert (default_storage.open(name).read(), default_storage.open(other).read()) == (b"one", b"two")


def test_a_file_is_read_from_any_place_in_it(bucket):
    data = os.urandom(3_000_000)
    name = default_storage.save("videos/one.mp4", ContentFile(data))
    with default_storage.open(name) as file:
        assert file.size == len(data)
        for at, whence in ((0, 0), (2_500_000, 0), (10, 0), (-5, 2), (2_999_990, 0), (100, 0), (300_000, 1)):
            place = file.seek(at, whence)
            assert file.tell() == place
            assert file.read(1000) == data[place : place + 1000]
    assert file.closed and file.open().read(3) == data[:3]


def test_a_frame_is_cut_from_a_saved_video(client, ada, stub, token, mp4, bucket):
    generation = saved(stub, mp4)
    answer = client.post(
        f"/generations/{generation.uuid}/frames/", {"at": "0.5"}, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 200, answer.content
    shown = client.get(answer.json()["url"])
    assert (shown.status_code, shown["Content-Type"], shown.content[:2]) == (200, "image/jpeg", b"\xff\xd8")


def test_an_interrupted_upload_leaves_nothing_and_the_video_is_saved_later(stub, token, s3, bucket, mp4):
    large = mp4 + os.urandom(20_000_000)  # what follows the film no player minds; it takes two parts
    generation = finished(stub, large)
    s3.dies_after = 17_000_000
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert not s3.is_alive, "it died on the way"
    assert (generation.state, generation.archive, generation.archive_attempts) == ("completed", "remote", 1)
    assert "object storage" in generation.events.filter(kind="save_failed").last().text
    s3.start()
    assert not [name for name in stored_in(s3, bucket) if name.endswith(".mp4")]
    assert not default_storage.exists(generation.video_file.name or "videos/none.mp4")
    Generation.objects.filter(pk=generation.pk).update(archive_at=timezone.now())
    assert list(Generation.objects.worth_saving()) == [generation]
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved"
    assert stored_in(s3, bucket)[generation.video_file.name] == large


def test_no_video_is_given_up_because_the_bucket_is_unreachable(stub, token, mp4, s3):
    generation = finished(stub, mp4)
    Generation.objects.filter(pk=generation.pk).update(archive_attempts=saving.MAX_ATTEMPTS + 5)
    s3.stop()
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "remote"


def test_an_interrupted_read_continues_once_the_server_is_back(s3, bucket):
    data = os.urandom(8_000_000)
    name = default_storage.save("videos/one.mp4", ContentFile(data))
    with default_storage.open(name) as file:
        start = file.read(1_000_000)
        s3.stop()
        s3.start()
        assert start + file.read() == data
        file.seek(0)
        file.read(10)
        s3.stop()
        with pytest.raises(OSError, match="object storage"):
            file.read()


MEMORY = """
import hashlib, resource
from pathlib import Path
import django; django.setup()
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from videos.media import storage
size, folder = 300 * 1024 * 1024, Path(__import__("os").environ["LUMAWEB_DATA_DIR"])
def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
default_storage.save("videos/small.mp4", ContentFile(b"small"))
with default_storage.open("videos/small.mp4") as small:
    assert small.read() == b"small"
before = most()
with (folder / "large").open("wb") as file:
    file.truncate(size)
storage.store_as(folder / "large", "videos/large.mp4")
saved = most()
total = 0
with default_storage.open("videos/large.mp4") as large:
    while piece := large.read(1024 * 1024):
        total += len(piece)
assert total == size
print(round(saved - before), round(most() - before))
"""


def test_a_large_video_is_not_in_memory_while_it_is_saved_or_read(s3, tmp_path):
    env = Installation(tmp_path / "home", LUMAWEB_S3_PREFIX="large", **s3.env).env
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", MEMORY],
        cwd=ROOT,
        env=env | {"DJANGO_SETTINGS_MODULE": "lumaweb.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    while_saved, while_read = map(int, done.stdout.split())
    assert while_saved < 60 and while_read < 60, "MB more than for a small one"
    (s3.folder / BUCKET / "large" / "videos" / "large.mp4").unlink()


# ── Delivery ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_video_is_answered_with_a_link_in_which_a_player_can_seek(client, ada, stub, token, mp4, bucket):
    generation = saved(stub, mp4)
    answer = client.get(reverse("video", args=[generation.uuid]))
    assert answer.status_code == 302
    assert answer["Cache-Control"] == "private, max-age=300", "half of the link's life"
    link = answer["Location"]
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["600"]
    whole = fetch(link)
    assert (whole.status_code, whole.content, whole.headers["Content-Type"]) == (200, mp4, "video/mp4")
    part = fetch(link, Range="bytes=100-299")
    assert (part.status_code, part.content) == (206, mp4[100:300])
    assert part.headers["Content-Range"] == f"bytes 100-299/{len(mp4)}"
    assert fetch(link, Range="bytes=-50").content == mp4[-50:]
    assert fetch(link, Range=f"bytes={len(mp4) + 5}-").status_code == 416


def test_a_download_keeps_its_name(client, ada, stub, token, mp4, bucket):
    generation = saved(stub, mp4, prompt="A fox, at dawn")
    answer = fetch(link_to(client, generation, "?download=1"))
    assert (
        answer.headers["Content-Disposition"] == f'attachment; filename="a-fox-at-dawn-{generation.uuid.hex[:8]}.mp4"'
    )
    assert answer.content == mp4


def test_a_link_is_valid_for_one_object_and_one_method(client, ada, stub, token, mp4, s3, bucket):
    one, other = saved(stub, mp4), saved(stub, mp4)
    link = link_to(client, one)
    for bad in (
        link.replace(one.video_file.name, other.video_file.name),
        link.replace("X-Amz-Expires=600", "X-Amz-Expires=6000"),
        link.replace("inline", "attachment"),
        link.replace("video%2Fmp4", "text%2Fhtml"),
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.partition("?")[0],
        f"{s3.url}/{BUCKET}",
        f"{s3.url}/{BUCKET}?list-type=2",
    ):
        answer = fetch(bad)
        assert answer.status_code in (400, 401, 403) and mp4[:50] not in answer.content, bad
    for method in ("PUT", "DELETE", "POST"):
        assert fetch(link, method).status_code in (400, 401, 403, 405), method
    assert default_storage.open(one.video_file.name).read() == mp4


def test_a_head_request_is_redirected_too(client, ada, stub, token, mp4, bucket):
    answer = client.head(reverse("video", args=[saved(stub, mp4).uuid]))
    there = fetch(answer["Location"], "HEAD")
    assert (there.status_code, there.headers["Content-Length"]) == (200, str(len(mp4)))


def test_a_link_expires(settings, bucket):
    settings.STORAGES = settings.STORAGES | {"default": storage_at(bucket._replace(link_seconds=1))}
    name = default_storage.save("videos/one.mp4", ContentFile(b"film"))
    link = default_storage.link(name, content_type="video/mp4", disposition="inline")
    end = time.monotonic() + 20
    while (answer := fetch(link)).status_code == 200:
        assert time.monotonic() < end, "it is still good"
        time.sleep(0.2)
    assert answer.status_code in (400, 403) and b"film" not in answer.content


def test_browsers_get_links_to_the_public_endpoint(settings, bucket):
    away = bucket._replace(links="https://media.example.com", addressing="virtual")
    settings.STORAGES = settings.STORAGES | {"default": storage_at(bucket)}
    name = default_storage.save("videos/one.mp4", ContentFile(b"film"))
    storage = storages.create_storage(storage_at(away._replace(addressing="path")))
    link = storage.link(name, content_type="video/mp4", disposition="inline")
    assert link.startswith(f"https://media.example.com/{BUCKET}/{bucket.prefix}/videos/one.mp4?")
    assert away.origin == f"https://{BUCKET}.media.example.com"


def test_images_are_served_by_lumaweb_and_cached(client, ada, stub, token, mp4, s3, bucket):
    generation = saved(stub, mp4)
    for name, kind in (("poster", "image/webp"), ("thumbnail", "image/jpeg")):
        path = reverse(name, args=[generation.uuid])
        answer = client.get(path)
        assert (answer.status_code, answer["Content-Type"]) == (200, kind)
        assert "immutable" in answer["Cache-Control"] and "private" in answer["Cache-Control"]
        assert answer.content == default_storage.open(getattr(generation, f"{name}_file").name).read()
        s3.asked.clear()
        again = client.get(path, headers={"If-None-Match": answer["ETag"]})
        assert (again.status_code, s3.asked) == (304, [])


def test_unauthorised_requests_get_no_link(client, stub, token, mp4, s3, bucket):
    generation = saved(stub, mp4)
    s3.asked.clear()
    assert "/login/" in client.get(reverse("video", args=[generation.uuid]))["Location"]
    assert s3.asked == []


def test_a_shared_video_has_links_until_it_is_revoked(client, stub, token, mp4, s3, bucket):
    generation = saved(stub, mp4)
    share = Share.objects.create_for(generation, generation.member, days=1, chain=False, with_prompt=False)
    page = client.get(share.secret_path).content.decode()
    path = re.search(r'src="(/watch/[^"]+/video[^"]*)"', page) or re.search(r' src="(/watch/[^"]+)"', page)
    answer = client.get(path[1])
    assert (answer.status_code, answer["Cache-Control"]) == (302, "private, no-store")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert fetch(answer["Location"], Range="bytes=0-9").content == mp4[:10]
    named = client.get(f"{path[1]}?download=1")["Location"]
    assert fetch(named).headers["Content-Disposition"] == 'attachment; filename="video.mp4"'
    poster = re.search(r'poster="(/watch/[^"]+)"', page)[1]
    assert client.get(poster)["Cache-Control"] == "private, no-cache"
    share.revoke(generation.member)
    s3.asked.clear()
    for gone in (path[1], poster):
        assert client.get(gone).status_code == 404
    other = Share.objects.create_for(generation, generation.member, days=1, chain=False, with_prompt=False)
    Share.objects.filter(pk=other.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(other.secret_path).status_code == 404
    assert s3.asked == []


def test_frames_and_source_videos_are_served_to_the_provider_without_a_redirect(stub, token, mp4, bucket):
    generation = saved(stub, mp4)
    name = default_storage.save("frames/start.jpg", ContentFile(b"\xff\xd8 a frame"))
    frame = Frame.objects.create(sha256="f" * 64, file=name, width=1, height=1, size_bytes=9, member=generation.member)
    wanted = a_generation()
    assert wanted.claim()
    keys = [
        TemporaryLink.create_for("http://us", wanted, **what).rpartition("/")[2]
        for what in ({"frame": frame}, {"video": generation})
    ]
    picture = Client().get(reverse("provider-frame", args=[keys[0].removesuffix(".jpg")]))
    assert (picture.status_code, picture.content, picture["Content-Type"]) == (200, b"\xff\xd8 a frame", "image/jpeg")
    assert picture["Cache-Control"] == "private, no-store"
    path = reverse("provider-video", args=[keys[1].removesuffix(".mp4")])
    whole = Client().get(path)
    assert (whole.status_code, b"".join(whole.streaming_content)) == (200, mp4)
    part = Client().get(path, headers={"Range": "bytes=5-9"})
    assert (part.status_code, b"".join(part.streaming_content)) == (206, mp4[5:10])


def test_x_accel_is_used_for_files_in_the_folder_and_not_for_a_bucket(client, ada, settings, stub, token, mp4):
    settings.ACCEL_PREFIX = "/protected-media/"
    generation = saved(stub, mp4)
    assert "X-Accel-Redirect" not in client.get(reverse("video", args=[generation.uuid])).headers
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["folder"]}
    path = reverse("video", args=[generation.uuid])
    assert client.get(path).status_code == 404, "not in the folder, and no proxy is asked for it"
    default_storage.save(generation.video_file.name, ContentFile(mp4))
    answer = client.get(f"{path}?download=1")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["X-Accel-Redirect"] == f"/protected-media/{generation.video_file.name}"
    assert answer["Content-Type"] == "video/mp4" and answer["Content-Disposition"].startswith("attachment; filename=")
    assert answer["ETag"] == f'"{generation.sha256}"' and "immutable" in answer["Cache-Control"]


# ── Several at once ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_selection_becomes_one_archive_that_names_missing_files(client, ada, stub, token, mp4, bucket):
    fox, gone = saved(stub, mp4, prompt="a fox"), saved(stub, mp4, prompt="a goose")
    default_storage.delete(gone.video_file.name)
    answer = client.post("/selection/zip/", {"v": [str(fox.uuid), str(gone.uuid)]})
    data = b"".join(answer.streaming_content)
    assert len(data) == int(answer["Content-Length"])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == [f"a-fox-{fox.uuid.hex[:8]}.mp4", "not-included.txt"]
        assert archive.read(archive.namelist()[0]) == mp4
        assert "a goose" in archive.read("not-included.txt").decode()


def test_an_archive_ends_early_if_a_video_vanishes(client, ada, stub, token, mp4, bucket):
    one, other = saved(stub, mp4), saved(stub, mp4)
    answer = client.post("/selection/zip/", {"v": [str(one.uuid), str(other.uuid)]})
    pieces = iter(answer.streaming_content)
    next(pieces)
    for generation in (one, other):
        default_storage.delete(generation.video_file.name)
    with pytest.raises(FileNotFoundError):
        list(pieces)


def test_an_archive_checks_all_videos_first_and_reads_each_in_turn(client, ada, s3, bucket):
    rows = []
    name = default_storage.save("videos/one.mp4", ContentFile(bytes(1000)))
    for number in range(200):
        rows.append(a_generation(ada, prompt=f"video {number}"))
        facts = {"state": "completed", "archive": "saved", "video_file": name, "size_bytes": 1000}
        Generation.objects.filter(pk=rows[-1].pk).update(**facts)
    s3.asked.clear()
    answer = client.post("/selection/zip/", {"v": [str(row.uuid) for row in rows]})
    assert [method for method, _ in s3.asked] == ["HEAD"] * 200
    data = b"".join(answer.streaming_content)
    assert len(zipfile.ZipFile(io.BytesIO(data)).namelist()) == 200
    assert [method for method, _ in s3.asked].count("GET") == 200


# ── Looking after them ────────────────────────────────────────────────────────────────────────────────────────


def command(*words: str, **options) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command(*words, stdout=out, **options)
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0


def test_media_in_a_bucket_are_verified(stub, token, mp4, s3, bucket):
    good, changed, missing = (saved(stub, mp4) for _ in range(3))
    assert command("verify_media") == ("Videos good: 3, changed: 0, incomplete: 0. Files missing: 0, orphans: 0.\n", 0)
    default_storage.delete(changed.video_file.name)
    default_storage.save(changed.video_file.name, ContentFile(mp4[:-1] + b"x"))
    default_storage.delete(missing.poster_file.name)
    orphan = default_storage.save("videos/ab/left-over.mp4", ContentFile(b"x"))
    assert "orphan" not in command("verify_media")[0].partition("Videos good")[0], "it may just be coming"
    os.utime(s3.folder / BUCKET / bucket.prefix / orphan, (1_700_000_000, 1_700_000_000))
    s3.stop()
    s3.start()  # it remembers what it has seen
    said, status = command("verify_media")
    assert status == 1
    assert f"changed: {changed.video_file.name}" in said
    assert f"missing: {missing.poster_file.name}" in said
    assert f"orphan: {orphan}" in said
    assert good.video_file.name not in said


def test_only_complete_files_reach_the_bucket(stub, token, mp4, s3, bucket):
    generation = finished(stub, mp4[: len(mp4) // 2])
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert (generation.archive, generation.archive_error) == ("remote", "incomplete")
    assert stored_in(s3, bucket) == {}
    stub.files[urlsplit(generation.video_url).path] = mp4
    Generation.objects.update(archive_at=timezone.now())
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert stored_in(s3, bucket)[generation.video_file.name] == mp4


def test_an_incomplete_file_in_a_bucket_is_found_and_repaired(stub, token, s3, bucket, settings, tmp_path, monkeypatch):
    whole = noise_video(tmp_path / "film.mp4", seconds=1, movflags="faststart")
    with monkeypatch.context() as earlier:
        earlier.setattr(saved_videos.decoding, "read_video", read_unchecked)
        generation = saved(stub, whole[: len(whole) * 3 // 4])
    before = generation.video_file.name
    said, status = command("verify_media", "--repair")
    assert f"incomplete: {before} (video {generation.uuid}): The file is incomplete" in said
    assert status == 1
    assert not list((settings.MEDIA_ROOT / "incoming").iterdir()), "the copy that was looked at is gone"
    stub.files[urlsplit(generation.video_url).path] = whole
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved"
    sweep.remove_orphaned_files()
    assert before not in stored_in(s3, bucket)
    assert command("verify_media") == ("Videos good: 1, changed: 0, incomplete: 0. Files missing: 0, orphans: 0.\n", 0)


def test_a_card_says_that_it_waits_for_the_bucket(client, ada, stub, token, mp4, s3):
    generation = finished(stub, mp4)
    s3.stop()
    tasks.archive(generation.pk)
    text = client.get("/").text
    assert "The storage for videos cannot be written to." in text
    assert "manage.py doctor" in text, "she is an admin"
    s3.start()
    assert client.post(reverse("saving", args=[generation.uuid])).status_code == 302
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved"


def test_verify_media_does_not_report_files_of_an_unreachable_bucket_as_missing(stub, token, mp4, s3, settings, bucket):
    generation = saved(stub, mp4)
    s3.stop()
    with pytest.raises(CommandError, match="shows nothing"):
        call_command("verify_media", "--repair", stdout=io.StringIO())
    s3.start()
    settings.STORAGES = settings.STORAGES | {"default": storage_at(bucket, secret_key="another")}
    with pytest.raises(CommandError, match="denies access"):
        call_command("verify_media", "--repair", stdout=io.StringIO())
    generation.refresh_from_db()
    assert generation.archive == "saved"


def test_permanent_deletion_removes_objects_and_is_retried_during_an_outage(stub, token, mp4, s3, bucket):
    rows = [saved(stub, mp4) for _ in range(3)]
    for row in rows:
        row.trash(row.member)
        assert row.purge()
    s3.stop()
    s3.asked.clear()
    sweep.remove_orphaned_files()
    assert OrphanedFile.objects.count() == 9
    assert len({path for _, path in s3.asked}) == 1, "one silence is enough"
    s3.start()
    sweep.remove_orphaned_files()
    assert not OrphanedFile.objects.exists()
    assert stored_in(s3, bucket) == {}


def test_pages_work_without_the_bucket_and_files_say_why_they_do_not(client, ada, stub, token, mp4, s3, bucket, caplog):
    generation = saved(stub, mp4, prompt="a fox")
    s3.stop()
    for path in ("/", f"/generations/{generation.uuid}/"):
        page = client.get(path)
        assert page.status_code == 200 and "a fox" in page.content.decode()
    for name in ("video", "poster", "thumbnail"):
        answer = client.get(reverse(name, args=[generation.uuid]))
        assert answer.status_code == 503
        assert "Nothing is lost" in answer.content.decode()
        assert (answer["Cache-Control"], answer["Retry-After"]) == ("private, no-store", "30")
    s3.asked.clear()
    assert client.get(reverse("video", args=[generation.uuid])).status_code == 503
    assert s3.asked == [], "nobody waits for what has just not answered"
    answer = client.post("/selection/zip/", {"v": [str(generation.uuid)]}, follow=True)
    assert "Nothing is lost" in answer.content.decode()
    cut = client.post(f"/generations/{generation.uuid}/frames/", {"at": "0"}, headers={"Accept": "application/json"})
    assert cut.status_code == 422 and "could not be taken" in cut.json()["error"]
    assert SECRET_KEY not in caplog.text and "X-Amz-Signature" not in caplog.text


def test_the_bucket_is_tried_again_after_a_pause(client, ada, stub, token, mp4, s3, bucket, monkeypatch):
    generation = saved(stub, mp4)
    monkeypatch.setattr(delivery, "BACK_OFF_SECONDS", 0.2)
    path = reverse("video", args=[generation.uuid])
    s3.stop()
    assert client.get(path).status_code == 503
    s3.start()
    end = time.monotonic() + 20
    while client.get(path).status_code != 302:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_missing_object_is_not_reported_as_an_outage(client, ada, stub, token, mp4, bucket):
    generation = saved(stub, mp4)
    for name in files_of(generation):
        default_storage.delete(name)
    for name in ("video", "poster"):
        assert client.get(reverse(name, args=[generation.uuid])).status_code == 404


def test_readiness_checks_the_bucket(client, s3, settings, bucket):
    end = time.monotonic() + 30
    s3.stop()
    while "storage" not in client.get("/readyz").json()["problems"]:
        assert time.monotonic() < end, "an answer is kept for seconds only"
        time.sleep(0.2)


def test_a_backup_holds_what_is_in_the_bucket_and_is_restored_into_another(s3, tmp_path):
    home = Installation(tmp_path / "home", LUMAWEB_S3_PREFIX="home", **s3.env)
    home.migrate()
    home.python(FILL)
    before = stored_in(s3, Bucket("", "", "", "", "", "home", 0))
    assert len(before) == 10
    home.manage("backup", str(tmp_path / "all.tar"), "--with-keys")
    new = Installation(tmp_path / "new", LUMAWEB_S3_PREFIX="new", **s3.env)
    new.manage("restore", str(tmp_path / "all.tar"))
    assert stored_in(s3, Bucket("", "", "", "", "", "new", 0)) == before
    seen = json.loads(new.python(READ_BACK))
    assert (seen["saved"], seen["frame"], seen["held"]) == (3, "frame", ["waiting 1", "waiting 2"])


# ── Moving ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def in_the_folder(settings, stub, token, mp4):
    """Save four videos in the folder, then configure the bucket."""
    of_the_bucket = settings.STORAGES
    settings.STORAGES = of_the_bucket | {"default": of_the_bucket["folder"]}
    rows = [saved(stub, mp4 + bytes([number])) for number in range(4)]
    settings.STORAGES = of_the_bucket
    # Saving is a sign of life, and nothing moves while Lumaweb lives.
    Heartbeat.objects.all().delete()
    return rows


def in_folder(settings) -> dict[str, bytes]:
    root = settings.MEDIA_ROOT
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_move_media_copies_into_the_bucket_and_keeps_the_files(client, ada, in_the_folder, s3, bucket, settings, mp4):
    waiting = a_generation(ada)
    before = in_folder(settings)
    said, status = command("move_media", "--to-bucket")
    assert (status, in_folder(settings)) == (0, before)
    assert stored_in(s3, bucket) == before
    assert "Copied: 12 files" in said and "Held: 1 queued" in said and "Nothing was removed" in said
    waiting.refresh_from_db()
    assert list(Generation.objects.held()) == [waiting]
    assert waiting.release(ada), "until an admin has looked"
    assert fetch(link_to(client, in_the_folder[2])).content == mp4 + b"\x02"
    s3.asked.clear()
    assert "Copied: 0 files, 0 bytes. There already: 12." in command("move_media", "--to-bucket")[0]
    assert {method for method, _ in s3.asked} == {"HEAD"}, "what was compared once is not read again"


def test_an_interrupted_move_continues_where_it_stopped(in_the_folder, s3, bucket, settings):
    s3.dies_after = sum(map(len, in_folder(settings).values())) // 2
    with pytest.raises(CommandError, match="Run this again"):
        call_command("move_media", "--to-bucket", stdout=io.StringIO())
    s3.start()
    done = len(stored_in(s3, bucket))
    assert 0 < done < 12
    said, status = command("move_media", "--to-bucket")
    assert (status, stored_in(s3, bucket)) == (0, in_folder(settings))
    assert int(re.search(r"There already: (\d+)", said)[1]) >= done - 1


def test_move_media_copies_back_into_the_folder(in_the_folder, s3, bucket, settings):
    before = in_folder(settings)
    command("move_media", "--to-bucket")
    for name in before:
        (settings.MEDIA_ROOT / name).unlink()
    said, status = command("move_media", "--to-folder")
    assert (status, in_folder(settings)) == (0, before)
    assert "Copied: 12 files" in said
    assert stored_in(s3, bucket) == before


def test_a_move_reports_errors_and_moves_the_rest(in_the_folder, s3, bucket, settings):
    changed, missing, different, good = in_the_folder
    (settings.MEDIA_ROOT / changed.video_file.name).write_bytes(b"harm")
    (settings.MEDIA_ROOT / missing.video_file.name).unlink()
    default_storage.save(different.video_file.name, ContentFile(b"somebody else's"))
    said, status = command("move_media", "--to-bucket")
    assert status == 1
    assert f"changed: {changed.video_file.name}" in said
    assert f"missing: {missing.video_file.name}" in said
    assert f"different: {different.video_file.name}" in said
    kept = stored_in(s3, bucket)
    assert kept[different.video_file.name] == b"somebody else's" and good.video_file.name in kept
    assert changed.video_file.name not in kept


def test_move_media_is_refused_while_lumaweb_runs_unless_ahead_is_given(in_the_folder, s3, bucket):
    a_generation()
    Heartbeat.stamp("lumaweb")
    with pytest.raises(CommandError, match="Stop it first"):
        call_command("move_media", "--to-bucket", stdout=io.StringIO())
    assert stored_in(s3, bucket) == {}
    said, status = command("move_media", "--to-bucket", "--ahead")
    assert status == 0 and "Copied: 12 files" in said and "run this again" in said
    assert not Generation.objects.held().exists()


def test_move_media_needs_a_bucket(settings):
    settings.BUCKET = None
    with pytest.raises(CommandError, match="LUMAWEB_S3_BUCKET"):
        call_command("move_media", "--to-bucket", stdout=io.StringIO())
