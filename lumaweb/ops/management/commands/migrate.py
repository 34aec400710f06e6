import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management.commands import migrate
from django.db import connections

from lumaweb import permissions
from lumaweb.locked_command import LockedCommand

# Any number that no other program on this database uses for the same.
LOCK = 0x6C756D61


class Command(LockedCommand, migrate.Command):
    """Django's migrate, one at a time: machines that start together would make the same tables twice."""

    def handle(self, *args, **options) -> None:
        # The media are many files, and a migration does not touch them: `serve` looks at those.
        permissions.tighten(settings.DATA_DIR, media_root=None)
        with alone(options["database"]):
            super().handle(*args, **options)


@contextmanager
def alone(database: str) -> Iterator[None]:
    """Wait until nobody else migrates this database; whoever was killed meanwhile holds nobody up."""
    connection = connections[database]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            yield
        finally:
            # A migration that failed may have taken the connection with it, and with the connection went the lock.
            if connection.is_usable():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        return
    with (settings.DATA_DIR / "migrating").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
