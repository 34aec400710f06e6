"""Checks of the database and its migrations."""

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder

from lumaweb.ops.migration_state import known_migrations, pending_migrations
from videos.models import Lease

from .findings import Finding, fail, ok, warn

MIN_POSTGRESQL = 14
QUICK_CHECK_TIMEOUT = 20.0  # seconds
SLOW_COMMIT = 0.1  # seconds
# Of one `serve`: threads of the web server, workers of the queue and their helpers, the ticker, the watchdog.
CONNECTIONS_PER_MACHINE = 25
SPARE_CONNECTIONS = 10  # for psql, backups and the like


def database() -> Iterator[Finding]:
    """Check that the database answers, is intact and is configured for durability."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield fail(
            f"The database cannot be reached: {type(error).__name__}.",
            "Check DATABASE_URL, and that the database server runs and accepts connections from this machine."
            if settings.DATABASE_URL
            else f"Check that {settings.DATA_DIR} can be read and written.",
        )
        return
    yield from _sqlite() if connection.vendor == "sqlite" else _postgresql()


def _query(sql: str) -> Any:
    """Return the first column of the first row, or None."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return row and row[0]


def _sqlite() -> Iterator[Finding]:
    path = Path(connection.settings_dict["NAME"])
    problems = list(_sqlite_problems(path))
    yield from problems
    if not any(problem.level == "fail" for problem in problems):
        yield ok(f"SQLite {_query('SELECT sqlite_version()')}, {path.stat().st_size / 1024**2:.0f} MB.")


def _sqlite_problems(path: Path) -> Iterator[Finding]:
    mode, synchronous = _query("PRAGMA journal_mode"), _query("PRAGMA synchronous")
    if mode != "wal":
        yield fail(
            f"Its journal mode is {mode}, not wal: readers and writers block each other.",
            "Keep it on a local disk, as WAL does not work over a network.",
        )
    if synchronous < 2:
        yield fail(
            "It does not wait for the disk (synchronous is not FULL): after a power cut, Lumaweb could send a request "
            "twice.",
            "Do not change Lumaweb's database settings.",
        )
    try:
        result = _quick_check()
    except TimeoutError:
        yield warn(
            f"The check of the file's integrity did not finish within {QUICK_CHECK_TIMEOUT:.0f} s.",
            f"While Lumaweb is stopped, run: sqlite3 {path} 'PRAGMA quick_check'",
        )
    except DatabaseError as error:
        yield fail(f"The file is damaged: {error}.", "Stop Lumaweb and restore the last backup.")
    else:
        if result != "ok":
            yield fail(f"The file is damaged: {result}", "Stop Lumaweb and restore the last backup.")


def _quick_check() -> str:
    """Return the result of SQLite's quick check; raise TimeoutError."""
    deadline = time.monotonic() + QUICK_CHECK_TIMEOUT
    connection.connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        return _query("PRAGMA quick_check(1)")
    except DatabaseError as error:
        if time.monotonic() > deadline:
            raise TimeoutError from error
        raise
    finally:
        connection.connection.set_progress_handler(None, 0)


def _postgresql() -> Iterator[Finding]:
    problems = list(_postgresql_problems())
    yield from problems
    if not any(problem.level == "fail" for problem in problems):
        yield ok(f"PostgreSQL {_query('SHOW server_version')}.")


def _postgresql_problems() -> Iterator[Finding]:
    if int(_query("SHOW server_version_num")) < MIN_POSTGRESQL * 10_000:
        yield fail(f"PostgreSQL {_query('SHOW server_version')} is too old.", f"Upgrade to {MIN_POSTGRESQL} or newer.")
    if _query("SELECT pg_is_in_recovery()"):
        yield fail("This is a read-only replica.", "Set DATABASE_URL to the primary server.")
        return
    if not _query("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'"):
        yield fail(
            "The extension pg_trgm is missing, which the search needs.",
            "As a superuser, in this database: CREATE EXTENSION pg_trgm;",
        )
    unsafe = [name for name in ("fsync", "synchronous_commit", "full_page_writes") if _query(f"SHOW {name}") == "off"]
    if unsafe:
        yield fail(
            f"{' and '.join(unsafe)} is off: after a crash, Lumaweb could send, and pay for, a request twice.",
            f"Turn {' and '.join(unsafe)} on in postgresql.conf, and reload it.",
        )
    if (level := _query("SHOW default_transaction_isolation")) != "read committed":
        yield fail(
            f"Transactions are {level} by default; Lumaweb's claims need read committed.",
            "Set default_transaction_isolation to 'read committed' for this database and role.",
        )
    if (encoding := _query("SHOW server_encoding")) != "UTF8":
        yield fail(f"The database is encoded in {encoding}.", "Create one with ENCODING 'UTF8', and move to it.")
    yield from _connections()


def _connections() -> Iterator[Finding]:
    limit = int(_query("SHOW max_connections")) - int(_query("SHOW superuser_reserved_connections"))
    used = _query("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    machines = max(
        1,
        _query(
            "SELECT count(DISTINCT client_addr) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend'"
        ),
    )
    if limit < CONNECTIONS_PER_MACHINE * machines + SPARE_CONNECTIONS:
        yield warn(
            f"It accepts {limit} connections, and {machines} of our machines may open {CONNECTIONS_PER_MACHINE} each.",
            "Raise max_connections, or put PgBouncer (session mode) in between.",
        )
    elif used > limit - SPARE_CONNECTIONS:
        yield warn(f"{used} of {limit} connections are in use.", "Raise max_connections.")


def migrations() -> Iterator[Finding]:
    """Check that all migrations are applied and none is newer than the code, and measure a commit."""
    if pending := pending_migrations():
        more = f" and {len(pending) - 3} more" if len(pending) > 3 else ""
        yield fail(f"Not applied: {', '.join(pending[:3])}{more}.", "Make a backup, then run manage.py migrate.")
        return
    applied = {key for key in MigrationRecorder(connection).applied_migrations() if key[0] == "videos"}
    if newer := applied - known_migrations():
        yield warn(
            f"The database is of a newer version than this code: {', '.join(sorted(name for _, name in newer))}.",
            "Run the newer version, or see “Roll back” in deploy/README.md.",
        )
    yield ok("All are applied.")
    yield from _commit_time()


def _commit_time() -> Iterator[Finding]:
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        Lease.objects.acquire("doctor", "doctor", 0)
        seconds.append(time.perf_counter() - started)
    Lease.objects.filter(name="doctor").delete()
    message = f"A commit takes {median(seconds) * 1000:.1f} ms."
    if median(seconds) > SLOW_COMMIT:
        yield warn(message, "Use a faster or a nearer disk for the database: each video needs about twenty commits.")
    else:
        yield ok(message)
