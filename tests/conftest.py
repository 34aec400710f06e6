"""Fixtures for all tests."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMessage
from django.db.backends.signals import connection_created

from videos.models import ApiToken, Member

from .support import database_reset, database_use, hypothesis_profiles, prepared_data, scheduling, servers
from .support.factories import a_member, a_token, an_admin
from .support.sample_videos import plain_video
from .support.stub_platform import StubPlatform
from .support.stub_provider import StubProvider

hypothesis_profiles.register()
database_reset.install()
# The settings set a strict umask. Processes that tests start get the usual one, which the product must not rely on.
settings.DATA_DIR  # noqa: B018  (the first look at a setting loads them)
os.umask(0o022)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Run twice as many workers as there are cores: at any time half of them wait for processes that they started."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False  # xdist would begin with the files that have the most tests
    return scheduling.Scheduling(config, log)


def pytest_collection_modifyitems(config, items):
    if servers.there():
        beside = {item: database_use.uses_database(item) for item in items}
        config.hook.pytest_deselected(items=[item for item in items if not beside[item]])
        items[:] = filter(beside.get, items)
    if hasattr(config, "workerinput"):
        items[:] = scheduling.in_order(items)


@pytest.fixture(scope="session", autouse=True)
def static_files():
    """Copy the collected static files: pages refer to them by hashed names."""
    prepared_data.copy_static_files(settings.STATIC_ROOT)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix):
    """Put a migrated database where Django would create one."""
    database = settings.DATABASES["default"]
    if servers.there():
        # As Django makes the name, to which pytest-django has added the worker's.
        name = database["TEST"]["NAME"] or f"test_{database['NAME']}"
        prepared_data.copy_postgres(f"{os.environ[servers.POSTGRES]}/{name}")
    else:
        prepared_data.copy_sqlite(database["TEST"]["NAME"])


@pytest.fixture(scope="session")
def django_db_keepdb():
    """Have Django use the existing database, which ends with this run's folder or server."""
    return True


@pytest.fixture(autouse=True)
def turn(request, worker_id, tmp_path_factory):
    """Run a test marked `alone` while no other process runs a test."""
    if worker_id == "master":
        yield
        return
    folder = tmp_path_factory.getbasetemp().parent  # of all processes
    alone = request.node.get_closest_marker("alone") is not None
    with (folder / "door").open("w") as door, (folder / "room").open("w") as room:
        # While a test waits to run alone, no other test may start: else it would wait forever.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
        fcntl.flock(room, fcntl.LOCK_UN)  # unlock explicitly, as a process forked from here may have the file open


@connection_created.connect
def without_waiting_for_the_disk(connection, **kwargs):
    """Skip fsync: only the installations that tests start need to survive power cuts."""
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA synchronous=OFF")


@pytest.fixture
def ada(client) -> Member:
    """Return the member `ada`, signed in with `client`."""
    member = a_member("ada")
    client.force_login(member)
    return member


@pytest.fixture
def admin(client) -> Member:
    """Return an admin, signed in with `client`."""
    admin = an_admin()
    client.force_login(admin)
    return admin


@pytest.fixture
def stub() -> Iterator[StubProvider]:
    """Run a provider that answers as the test tells it to."""
    stub = StubProvider()
    yield stub
    stub.shutdown()
    stub.server_close()


@pytest.fixture
def platform() -> Iterator[StubPlatform]:
    """Run a platform that answers with the balance and charges that the test sets."""
    platform = StubPlatform()
    yield platform
    platform.shutdown()
    platform.server_close()


@pytest.fixture
def token(stub) -> ApiToken:
    """Return an API token of the stub provider."""
    return a_token(base_url=stub.url)


@pytest.fixture
def mails(settings) -> list[EmailMessage]:
    """Let Lumaweb send mails with links; return what it has sent."""
    settings.CAN_MAIL = settings.CAN_MAIL_LINKS = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    return mail.outbox


@pytest.fixture
def empty_storage(tmp_path, settings) -> Path:
    """Store media in an empty folder, and return it."""
    settings.MEDIA_ROOT = tmp_path / "media"
    options = {"location": settings.MEDIA_ROOT, "base_url": None}
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    }
    return settings.MEDIA_ROOT


@pytest.fixture(scope="session")
def mp4(tmp_path_factory) -> bytes:
    """Return a small MP4 file."""
    return plain_video(tmp_path_factory.mktemp("video"))
