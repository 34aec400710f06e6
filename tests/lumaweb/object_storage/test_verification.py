"""Verification of videos in a bucket, before and after they are stored."""

import io
import os
from urllib.parse import urlsplit

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from videos import tasks
from videos.jobs import sweep
from videos.media import saved_videos
from videos.models import Generation

from ...support.bucket import command, finished, saved, storage_at, stored_in
from ...support.s3_server import BUCKET
from ...support.sample_videos import noise_video, read_unchecked

pytestmark = pytest.mark.django_db(transaction=True)


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
    s3.start()  # it remembers verified files
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
