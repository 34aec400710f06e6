"""A simulated S3 server and a bucket on it."""

import uuid

import pytest

from lumaweb.environment.services import Bucket
from videos.views import delivery

from ...support.bucket import storage_at
from ...support.factories import a_member
from ...support.s3_server import BUCKET, S3Server


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
    # Forget an outage that an earlier test caused.
    monkeypatch.setattr(delivery, "_unavailable_until", 0.0)
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.BUCKET = Bucket(BUCKET, s3.url, s3.url, "us-east-1", "path", uuid.uuid4().hex, 600)
    settings.STORAGES = settings.STORAGES | {
        "folder": settings.STORAGES["folder"] | {"OPTIONS": {"location": settings.MEDIA_ROOT, "base_url": None}},
        "default": storage_at(settings.BUCKET),
    }
    return settings.BUCKET


@pytest.fixture
def ada(client):
    ada = a_member("ada", is_superuser=True)
    client.force_login(ada)
    return ada
