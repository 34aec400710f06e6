"""The doctor looks for the files of a sample of saved videos."""

import pytest
from django.core.files.storage import default_storage

from lumaweb.ops.doctor import storage

from ...support.doctor import said_by
from ...support.factories import a_member
from ...support.saved_videos import a_stored_video

pytestmark = pytest.mark.django_db


def test_missing_files_are_found_by_a_sample(empty_storage):
    assert said_by(storage.saved_videos) == "ok: No video is saved yet."
    ada = a_member("ada")
    videos = [a_stored_video(ada, f"number {number}") for number in range(60)]
    assert said_by(storage.saved_videos) == "ok: The files of 40 saved videos exist, which are a sample."
    default_storage.delete(videos[-1].video_file.name)
    said = said_by(storage.saved_videos)
    assert said.startswith(
        f"fail: 1 of 40 saved videos in a sample have no file, such as /generations/{videos[-1].uuid}/."
    )
    assert "restore them from a backup, or run manage.py verify_media --repair" in said


def test_a_storage_that_was_exchanged_is_found(empty_storage, settings, tmp_path):
    """The folder is empty, as if a disk was not mounted; the rows still name files."""
    ada = a_member("ada")
    for number in range(60):
        a_stored_video(ada, f"number {number}")
    options = {"location": tmp_path / "another disk", "base_url": None}
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    }
    assert "fail: 40 of 40 saved videos in a sample have no file" in said_by(storage.saved_videos)
