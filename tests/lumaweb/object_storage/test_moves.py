"""Backups of a bucket, and moves between the folder and a bucket."""

import io
import json
import re

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from lumaweb.environment.services import Bucket
from videos.models import Generation, Heartbeat

from ...support.bucket import command, fetch, link_to, saved, stored_in
from ...support.factories import a_generation
from ...support.installation import Installation
from ...support.installation_contents import FILL, READ_BACK

pytestmark = pytest.mark.django_db(transaction=True)


# ── Looking after them ───────────────────────────────────────────────────────────────────────────────────────────────


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


# ── Moving ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def in_the_folder(settings, stub, token, mp4):
    """Save four videos in the folder, then configure the bucket."""
    of_the_bucket = settings.STORAGES
    settings.STORAGES = of_the_bucket | {"default": of_the_bucket["folder"]}
    rows = [saved(stub, mp4 + bytes([number])) for number in range(4)]
    settings.STORAGES = of_the_bucket
    # Saving stamps a heartbeat, and a move is refused while Lumaweb runs.
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
