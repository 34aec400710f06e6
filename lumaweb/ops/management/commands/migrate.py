import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import connections

from lumaweb import permissions
from lumaweb.locked_command import LockedCommand
from lumaweb.ops.startup import database_errors_in_words

# PostgreSQL's advisory lock; an arbitrary number that no other program uses on this database.
LOCK_ID = 0x6C756D61
LOCK_POLL = 0.2  # seconds


class Command(LockedCommand, migrate.Command):
    """Django's migrate, one at a time: machines that start together would create the same tables twice."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        # Django's checks before `handle` connect to the database too.
        with database_errors_in_words():
            return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        # Without the media, which are many files and not touched by a migration: `serve` checks those.
        permissions.tighten(settings.DATA_DIR, media_root=None)
        with migration_lock(options["database"]):
            super().handle(*args, **options)


@contextmanager
def migration_lock(database: str) -> Iterator[None]:
    """Wait until no other process migrates this database. A lock ends with the process that holds it."""
    connection = connections[database]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Poll: a waiting statement holds a snapshot, and the other process may wait for that snapshot in
            # CREATE INDEX CONCURRENTLY, a deadlock.
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_ID])
            while not cursor.fetchone()[0]:
                time.sleep(LOCK_POLL)
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_ID])
        try:
            yield
        finally:
            # A failed migration may have closed the connection, which also releases the lock.
            if connection.is_usable():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_ID])
        return
    with (settings.DATA_DIR / "migrating").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
