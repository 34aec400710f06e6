"""The doctor on the database, migrations and the storage."""

import io

import pytest
from django.conf import settings as django_settings
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from lumaweb.ops.doctor import database, storage
from videos.models import Lease

from ...support.doctor import said_by

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.embedded
def test_a_database_without_synchronous_writes_is_reported():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=OFF")
    assert "fail: It does not wait for the disk" in said_by(database.database)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=FULL")
    assert said_by(database.database).startswith("ok: SQLite 3.")
    connection.close()


@pytest.mark.servers
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("SET synchronous_commit = off", "synchronous_commit is off"),
        ("SET default_transaction_isolation = 'serializable'", "Transactions are serializable by default"),
        ("UPDATE pg_extension SET extname = 'gone' WHERE extname = 'pg_trgm'", "The extension pg_trgm is missing"),
    ],
)
def test_a_misconfigured_postgresql_is_reported(broken, words):
    assert said_by(database.database).splitlines()[-1].startswith("ok: PostgreSQL ")
    with connection.cursor() as cursor:
        cursor.execute(broken)
    try:
        assert f"fail: {words}" in said_by(database.database)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE pg_extension SET extname = 'pg_trgm' WHERE extname = 'gone'")
        connection.close()


def test_pending_or_newer_migrations_are_reported():
    assert said_by(database.migrations) == "ok: All are applied."
    assert said_by(database.commits).startswith("ok: A commit takes ")
    assert not Lease.objects.exists()
    newest = MigrationRecorder.Migration.objects.filter(app="videos").order_by("name").last()
    name = newest.name
    MigrationRecorder.Migration.objects.filter(pk=newest.pk).update(name="9999_future")
    try:
        assert said_by(database.migrations).startswith(f"fail: Not applied: videos.{name}")
        MigrationRecorder(connection).record_applied("videos", name)
        assert "warn: The database is of a newer version than this code: videos.9999_future." in said_by(
            database.migrations
        )
    finally:
        MigrationRecorder.Migration.objects.filter(app="videos", name=name).delete()
        MigrationRecorder.Migration.objects.filter(pk=newest.pk).update(name=name)


class ForgetfulStorage(FileSystemStorage):
    """A storage that stores something else than it was given."""

    def _save(self, name, content):
        content.file = io.BytesIO(bytes(content.size))
        return super()._save(name, content)


class ClingingStorage(FileSystemStorage):
    """A storage that does not delete."""

    def delete(self, name):
        pass


@pytest.mark.parametrize(
    ("backend", "place", "words"),
    [
        (
            "django.core.files.storage.FileSystemStorage",
            "folder",
            "ok: Files are written, read and deleted in the media folder.",
        ),
        (
            "django.core.files.storage.FileSystemStorage",
            "file",
            "fail: A file in the media folder could not be written: ",
        ),
        ("tests.ops.doctor.test_data.ForgetfulStorage", "folder", "fail: The file read is not the file written."),
        ("tests.ops.doctor.test_data.ClingingStorage", "folder", "fail: A file in the media folder still exists"),
    ],
)
def test_a_storage_is_written_read_and_cleared(settings, tmp_path, backend, place, words):
    (tmp_path / "file").write_text("in the place of a folder")
    settings.STORAGES = django_settings.STORAGES | {
        "default": {"BACKEND": backend, "OPTIONS": {"location": tmp_path / place}}
    }
    assert words in said_by(storage.storage)
    if "django" in backend:
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "file"]
