"""Copy and replace the SQLite database."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from django.db import connection


def copy(target: Path) -> None:
    """Copy the database as it is at one moment into a single file, while other processes write to it."""
    with (
        closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=20)) as source,
        closing(sqlite3.connect(target)) as destination,
    ):
        # In one step: with several, each write to the source would start the copy again. With a write-ahead log, a
        # long-running reader does not block writers.
        source.backup(destination, pages=-1)
    with database_at(target):
        pass  # leaves the copy without a log file beside it


@contextmanager
def database_at(path: Path) -> Iterator[None]:
    """Let the ORM use another SQLite file within the block; afterwards that file has no log beside it."""
    original = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = path
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = original
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode=DELETE")


def replace(source: Path) -> None:
    """Move a complete database file to the place of the empty one."""
    target = Path(connection.settings_dict["NAME"])
    connection.close()
    for suffix in ("-wal", "-shm"):
        # SQLite must not apply the log of the empty database to this one.
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    source.chmod(0o600)  # the proxy may be in the group, to read the videos
    source.rename(target)
