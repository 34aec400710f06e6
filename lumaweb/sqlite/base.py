"""Django's SQLite, with a fairer wait for its one write lock.

SQLite's own way of waiting sleeps longer each time, up to 100 ms, and whoever comes at the right moment passes those
who have waited long: under load most wait for nothing and some for half a second. And whoever waits inside SQLite
holds its connection's mutex, on which Python's garbage collection in another thread can wait with the GIL in its hand.
"""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from django.db.backends.sqlite3 import base

from lumaweb import permissions

LOOK_EVERY = (0.0005, 0.002)  # seconds; by chance, so that two that wait do not look at the same moments

_WAIT_LIMIT: ContextVar[float] = ContextVar("sqlite_wait_limit", default=float("inf"))


@contextmanager
def lock_wait_limit(seconds: float) -> Iterator[None]:
    """Wait no longer than this for the write lock at the start of a transaction; other databases ignore it."""
    token = _WAIT_LIMIT.set(seconds)
    try:
        yield
    finally:
        _WAIT_LIMIT.reset(token)


def _create_private(path: Path) -> None:
    """Create the file of a database; raise the error that SQLite has for one that cannot be opened."""
    try:
        permissions.create_private(path)
    except OSError as error:
        raise sqlite3.OperationalError(f"unable to open database file: {error}") from error


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params):
        # SQLite would create it with the umask alone. Its -wal and -shm take over the permissions of the file.
        if (path := Path(conn_params["database"])).is_absolute() and not path.exists():
            _create_private(path)
        return super().get_new_connection(conn_params)

    def _start_transaction_under_autocommit(self) -> None:
        """Begin; look again and again whether the lock is free, for as long as the timeout allows."""
        patience = self.settings_dict["OPTIONS"].get("timeout", 5.0)
        deadline = time.monotonic() + min(patience, _WAIT_LIMIT.get())
        self._wait_inside(0)
        try:
            while not self._begin(deadline):
                time.sleep(random.uniform(*LOOK_EVERY))
        finally:
            # A single statement outside a transaction waits as SQLite does.
            self._wait_inside(patience)

    def _begin(self, deadline: float) -> bool:
        try:
            # Not by Django's cursor: its errors keep the cursor alive in a cycle, which the garbage collection of
            # another thread would end, waiting for this connection.
            self.connection.execute(f"BEGIN {self.transaction_mode or ''}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY and time.monotonic() < deadline:
                return False
            with self.wrap_database_errors:
                raise
        return True

    def _wait_inside(self, seconds: float) -> None:
        self.connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
