"""verify_media reports missing, changed and orphaned files."""

import os
import time

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from videos import tasks
from videos.models import Generation

from ..support.finished_videos import saved, verify_media

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]


def test_intact_media_pass(stub, token, mp4):
    saved(stub, mp4)
    assert verify_media() == ("Videos good: 1, changed: 0, incomplete: 0. Files missing: 0, orphans: 0.\n", 0)


def test_a_changed_byte_is_found(stub, token, mp4):
    generation = saved(stub, mp4)
    with open(generation.video_file.path, "r+b") as file:
        file.seek(100)
        file.write(b"\xff")
    said, status = verify_media()
    assert f"changed: {generation.video_file.name} (video {generation.uuid})" in said
    assert status == 1
    generation.refresh_from_db()
    assert generation.archive == "saved", "without --repair nothing changes"


@pytest.mark.parametrize("kind", ["video_file", "thumbnail_file", "poster_file"])
def test_a_missing_file_is_found(stub, token, mp4, kind):
    name = getattr(saved(stub, mp4), kind).name
    default_storage.delete(name)
    said, status = verify_media()
    assert f"missing: {name}" in said
    assert status == 1


def test_an_orphaned_file_is_found_unless_it_is_recent(stub, token, mp4):
    saved(stub, mp4)
    default_storage.save("videos/ab/left-over.mp4", ContentFile(b"x"))
    assert verify_media()[1] == 0
    old = time.time() - 7200
    os.utime(default_storage.path("videos/ab/left-over.mp4"), (old, old))
    said, status = verify_media()
    assert "orphan: videos/ab/left-over.mp4" in said
    assert status == 1


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_repair_saves_the_video_again(stub, token, mp4, harm):
    generation = saved(stub, mp4)
    default_storage.delete(generation.video_file.name)
    if harm == "changed":
        default_storage.save(generation.video_file.name, ContentFile(b"other"))
    said, status = verify_media("--repair")
    assert (status, "To be saved again: 1." in said) == (1, True)
    generation.refresh_from_db()
    assert (generation.archive, generation.events.last().kind) == ("remote", "unsaved")
    assert list(Generation.objects.worth_saving()) == [generation], "the sweep finds it"
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved"
    assert generation.video_file.open("rb").read() == mp4


def test_a_repair_does_not_touch_a_video_saved_again_meanwhile(stub, token, mp4):
    seen = saved(stub, mp4)
    Generation.objects.filter(pk=seen.pk).update(sha256="0" * 64)
    assert not seen.mark_unsaved("The file is changed.")
