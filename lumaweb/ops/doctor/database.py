"""Checks of the database and its migrations."""

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from django.db import DatabaseError, connection

from lumaweb.ops.migration_state import newer_migrations, pending_migrations
from videos.models import Lease

from .database_errors import explain
from .findings import Finding, fail, ok, skip, warn
from .migrations import migrations_ahead, migrations_behind

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
        yield explain(error)
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
            "sqlite-journal",
            "The database blocks readers while it writes",
            f"Its journal mode is {mode}, not wal: readers and writers block each other.",
            "Keep it on a local disk, as WAL does not work over a network.",
        )
    if synchronous < 2:
        yield fail(
            "database-durability",
            "A power cut could undo what was paid for",
            "It does not wait for the disk (synchronous is not FULL): after a power cut, Lumaweb could send a request "
            "twice.",
            "Do not change Lumaweb's database settings.",
        )
    try:
        result = _quick_check()
    except TimeoutError:
        yield warn(
            "database-check-slow",
            "The check of the database takes too long",
            f"The check of the file's integrity did not finish within {QUICK_CHECK_TIMEOUT:.0f} s.",
            f"While Lumaweb is stopped, run: sqlite3 {path} 'PRAGMA quick_check'",
        )
    except DatabaseError as error:
        yield _damaged(f"{error}.")
    else:
        if result != "ok":
            yield _damaged(result)


def _damaged(reason: str) -> Finding:
    return fail(
        "database-damaged",
        "The database file is damaged",
        f"The file is damaged: {reason}",
        "Stop Lumaweb and restore the last backup.",
    )


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
        yield fail(
            "postgresql-version",
            "PostgreSQL is too old",
            f"PostgreSQL {_query('SHOW server_version')} is too old.",
            f"Upgrade to {MIN_POSTGRESQL} or newer.",
        )
    if _query("SELECT pg_is_in_recovery()"):
        yield fail(
            "database-replica",
            "The database is a read-only replica",
            "This is a read-only replica.",
            "Set DATABASE_URL to the primary server.",
        )
        return
    if not _query("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'"):
        yield fail(
            "database-extension",
            "A PostgreSQL extension is missing",
            "The extension pg_trgm is missing, which the search needs.",
            "As a superuser, in this database: CREATE EXTENSION pg_trgm;",
        )
    unsafe = [name for name in ("fsync", "synchronous_commit", "full_page_writes") if _query(f"SHOW {name}") == "off"]
    if unsafe:
        yield fail(
            "database-durability",
            "A crash could undo what was paid for",
            f"{' and '.join(unsafe)} is off: after a crash, Lumaweb could send, and pay for, a request twice.",
            f"Turn {' and '.join(unsafe)} on in postgresql.conf, and reload it.",
        )
    if (level := _query("SHOW default_transaction_isolation")) != "read committed":
        yield fail(
            "database-isolation",
            "The database isolates transactions differently",
            f"Transactions are {level} by default; Lumaweb's claims need read committed.",
            "Set default_transaction_isolation to 'read committed' for this database and role.",
        )
    if (encoding := _query("SHOW server_encoding")) != "UTF8":
        yield fail(
            "database-encoding",
            "The database does not store every character",
            f"The database is encoded in {encoding}.",
            "Create one with ENCODING 'UTF8', and move to it.",
        )
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
            "database-connections",
            "The database accepts few connections",
            f"It accepts {limit} connections, and {machines} of our machines may open {CONNECTIONS_PER_MACHINE} each.",
            "Raise max_connections, or put PgBouncer (session mode) in between.",
        )
    elif used > limit - SPARE_CONNECTIONS:
        yield warn(
            "database-connections",
            "The database has few free connections",
            f"{used} of {limit} connections are in use.",
            "Raise max_connections.",
        )


def migrations() -> Iterator[Finding]:
    """Check that all migrations are applied and none is newer than the code."""
    if pending := pending_migrations():
        yield migrations_behind(pending)
    elif newer := newer_migrations():
        yield migrations_ahead(newer)
    else:
        yield ok("All are applied.")


def commits() -> Iterator[Finding]:
    """Measure how long a commit takes."""
    if pending_migrations():
        yield skip("Not checked, as migrations are missing.")
        return
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        Lease.objects.acquire("doctor", "doctor", 0)
        seconds.append(time.perf_counter() - started)
    Lease.objects.filter(name="doctor").delete()
    message = f"A commit takes {median(seconds) * 1000:.1f} ms."
    if median(seconds) > SLOW_COMMIT:
        yield warn(
            "database-slow",
            "The database is slow",
            message,
            "Use a faster or a nearer disk for the database: each video needs about twenty commits.",
        )
    else:
        yield ok(message)
