"""Django's SQLite backend with a fairer wait for the write lock.

SQLite's own wait sleeps longer each time, up to 100 ms, and a process that arrives at the right moment overtakes those
that have waited long: under load most do not wait at all and some wait for half a second. Also, a thread that waits
inside SQLite holds its connection's mutex, and Python's garbage collection in another thread can wait for that mutex
while it holds the GIL.
"""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base

from lumaweb import permissions

RETRY_INTERVAL = (0.0005, 0.002)  # seconds; random, so that two waiting processes do not retry in step

_WAIT_LIMIT: ContextVar[float] = ContextVar("sqlite_wait_limit", default=float("inf"))


@contextmanager
def lock_wait_limit(seconds: float) -> Iterator[None]:
    """Limit the wait for the write lock at the start of a transaction; other databases ignore it."""
    token = _WAIT_LIMIT.set(seconds)
    try:
        yield
    finally:
        _WAIT_LIMIT.reset(token)


def _create_private(path: Path) -> None:
    """Create the file of a database; raise SQLite's error for a file that cannot be opened."""
    try:
        permissions.create_private(path)
    except OSError as error:
        raise sqlite3.OperationalError(f"unable to open database file: {error}") from error


class DatabaseWrapper(base.DatabaseWrapper):
    transaction_mode: str | None  # not in django-stubs

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        # SQLite would create the file with the umask only. Its -wal and -shm get the permissions of the file.
        if (path := Path(conn_params["database"])).is_absolute() and not path.exists():
            _create_private(path)
        return super().get_new_connection(conn_params)

    def _start_transaction_under_autocommit(self) -> None:
        """Begin a transaction; retry until the lock is free or the timeout has passed."""
        timeout = self.settings_dict["OPTIONS"].get("timeout", 5.0)
        deadline = time.monotonic() + min(timeout, _WAIT_LIMIT.get())
        self._set_busy_timeout(0)
        try:
            while not self._begin(deadline):
                time.sleep(random.uniform(*RETRY_INTERVAL))
        finally:
            # For single statements outside a transaction, which wait inside SQLite.
            self._set_busy_timeout(timeout)

    def _begin(self, deadline: float) -> bool:
        """Return False if the database is locked and the deadline has not passed."""
        try:
            # Without Django's cursor: its errors keep the cursor alive in a reference cycle, and the garbage collection
            # of another thread would then wait for this connection to close it.
            self.connection.execute(f"BEGIN {self.transaction_mode or ''}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY and time.monotonic() < deadline:
                return False
            with self.wrap_database_errors:
                raise
        return True

    def _set_busy_timeout(self, seconds: float) -> None:
        self.connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
