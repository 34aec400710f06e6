"""Media files on disk."""

import os
from pathlib import Path

import pytest
from django.conf import settings as installation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from videos.media import storage

pytestmark = pytest.mark.django_db


def test_a_saved_file_and_its_folders_are_flushed_to_the_disk(monkeypatch):
    name = default_storage.save("videos/ab/z.mp4", ContentFile(b"video"))
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    storage.flush_to_disk(name)
    path = Path(default_storage.path(name))
    places = (path, path.parent, path.parent.parent, Path(installation.MEDIA_ROOT))
    assert synced == [place.stat().st_ino for place in places]
