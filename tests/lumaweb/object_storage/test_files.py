"""Files of a bucket: saved whole, never overwritten, read from any place."""

import hashlib
import os
import subprocess
import sys

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from videos import tasks
from videos.jobs import saving
from videos.media import saved_videos
from videos.models import Generation

from ...support.bucket import files_of, finished, saved, stored_in
from ...support.installation import ROOT, Installation
from ...support.s3_server import BUCKET

pytestmark = pytest.mark.django_db(transaction=True)


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
    large = mp4 + os.urandom(20_000_000)  # players ignore bytes after the video; with them the upload takes two parts
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
