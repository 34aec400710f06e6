"""Where everything is kept: the database and the storage."""

import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from videos.models import Lease

from .findings import Finding, fail, ok, warn
from .wire import NoAnswer, ask

OLDEST_POSTGRES = 14
QUICK_CHECK = 20.0  # seconds
SLOW_COMMIT = 0.1  # seconds
SPARE = 10  # connections for psql, backups and the like
# What one `serve` opens: threads of the web server, workers of the queue and their helpers, the ticker, the watchdog.
CONNECTIONS = 25


def database() -> Iterator[Finding]:
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield fail(
            f"The database cannot be reached: {type(error).__name__}.",
            "Check DATABASE_URL, and that the database server runs and lets this machine in."
            if settings.DATABASE_URL
            else f"Check that {settings.DATA_DIR} can be read and written.",
        )
        return
    yield from _sqlite() if connection.vendor == "sqlite" else _postgresql()


def _asked(sql: str):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return row and row[0]


def _sqlite() -> Iterator[Finding]:
    path = Path(connection.settings_dict["NAME"])
    problems = list(_sqlite_problems(path))
    yield from problems
    if not any(problem.level == "fail" for problem in problems):
        yield ok(f"SQLite {_asked('SELECT sqlite_version()')}, {path.stat().st_size / 1024**2:.0f} MB.")


def _sqlite_problems(path: Path) -> Iterator[Finding]:
    mode, synchronous = _asked("PRAGMA journal_mode"), _asked("PRAGMA synchronous")
    if mode != "wal":
        yield fail(
            f"Its journal is {mode}, not wal: readers and writers wait for each other.",
            "Keep it on a disk of this machine, as WAL does not work over a network.",
        )
    if synchronous < 2:
        yield fail(
            "It does not wait for the disk (synchronous is not FULL): a power cut could have something sent twice.",
            "Use the settings of Lumaweb as they are.",
        )
    try:
        said = _quick_check()
    except TimeoutError:
        yield warn(
            f"Whether the file is sound could not be told within {QUICK_CHECK:.0f} s.",
            f"While nothing runs: sqlite3 {path} 'PRAGMA quick_check'",
        )
    except DatabaseError as error:
        yield fail(f"The file is damaged: {error}.", "Stop everything and restore the last backup.")
    else:
        if said != "ok":
            yield fail(f"The file is damaged: {said}", "Stop everything and restore the last backup.")


def _quick_check() -> str:
    """SQLite's own look at the file; raises TimeoutError."""
    end = time.monotonic() + QUICK_CHECK
    connection.connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        return _asked("PRAGMA quick_check(1)")
    except DatabaseError as error:
        if time.monotonic() > end:
            raise TimeoutError from error
        raise
    finally:
        connection.connection.set_progress_handler(None, 0)


def _postgresql() -> Iterator[Finding]:
    problems = list(_postgresql_problems())
    yield from problems
    if not any(problem.level == "fail" for problem in problems):
        yield ok(f"PostgreSQL {_asked('SHOW server_version')}.")


def _postgresql_problems() -> Iterator[Finding]:
    if int(_asked("SHOW server_version_num")) < OLDEST_POSTGRES * 10_000:
        yield fail(f"PostgreSQL {_asked('SHOW server_version')} is too old.", f"Upgrade to {OLDEST_POSTGRES} or newer.")
    if _asked("SELECT pg_is_in_recovery()"):
        yield fail("This is a copy that can only be read.", "Let DATABASE_URL lead to the primary server.")
        return
    if not _asked("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'"):
        yield fail(
            "The extension pg_trgm is missing, which the search needs.",
            "As its superuser, in this database: CREATE EXTENSION pg_trgm;",
        )
    unsafe = [name for name in ("fsync", "synchronous_commit", "full_page_writes") if _asked(f"SHOW {name}") == "off"]
    if unsafe:
        yield fail(
            f"{' and '.join(unsafe)} is off: after a crash something could be sent, and paid, twice.",
            f"Turn {' and '.join(unsafe)} on in postgresql.conf, and reload it.",
        )
    if (level := _asked("SHOW default_transaction_isolation")) != "read committed":
        yield fail(
            f"Transactions are {level} by default; the claims are made for read committed.",
            "Set default_transaction_isolation to 'read committed' for this database and role.",
        )
    if (encoding := _asked("SHOW server_encoding")) != "UTF8":
        yield fail(f"The database is encoded in {encoding}.", "Make a new one with ENCODING 'UTF8', and move to it.")
    most = int(_asked("SHOW max_connections")) - int(_asked("SHOW superuser_reserved_connections"))
    used = _asked("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    ours = _asked(
        "SELECT count(DISTINCT client_addr) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend'"
    )
    if most < CONNECTIONS * max(1, ours) + SPARE:
        yield warn(
            f"It takes {most} connections, and {max(1, ours)} of our machines may want {CONNECTIONS} each.",
            "Raise max_connections, or put PgBouncer (session mode) in between.",
        )
    elif used > most - SPARE:
        yield warn(f"{used} of {most} connections are in use.", "Raise max_connections.")


def migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    newer = {
        key for key in executor.loader.applied_migrations if key[0] == "videos"
    } - executor.loader.disk_migrations.keys()
    if pending:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in pending[:3])
        more = f" and {len(pending) - 3} more" if len(pending) > 3 else ""
        yield fail(f"Not applied: {names}{more}.", "Make a backup, then run manage.py migrate.")
        return
    if newer:
        yield warn(
            f"The database is of a newer version than this code: {', '.join(sorted(name for _, name in newer))}.",
            "Run the newer version, or see “Roll back” in deploy/README.md.",
        )
    yield ok("All are applied.")
    yield from _commits()


def _commits() -> Iterator[Finding]:
    """How long a commit takes until it is on the disk."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        Lease.objects.take("doctor", "doctor", 0)
        took.append(time.perf_counter() - began)
    Lease.objects.filter(name="doctor").delete()
    words = f"A commit takes {median(took) * 1000:.1f} ms."
    if median(took) > SLOW_COMMIT:
        yield warn(words, "Use a faster disk for the database, or one that is nearer: each video takes some twenty.")
    else:
        yield ok(words)


def storage() -> Iterator[Finding]:
    """Write a file, read it from its middle, and take it away again."""
    where = "the bucket" if settings.BUCKET else "the media folder"
    data, name = secrets.token_bytes(64 * 1024), f"probe/doctor-{secrets.token_hex(8)}"
    step = "written"
    try:
        name = default_storage.save(name, ContentFile(data))
        step = "read"
        with default_storage.open(name) as file:
            file.seek(1000)
            part = file.read(100)
        sound = part == data[1000:1100] and default_storage.size(name) == len(data)
        if not sound:
            yield fail("What is read is not what was written.", "Do not use this storage: videos would be lost in it.")
        if settings.BUCKET:
            yield from _links(name, data)
        step = "deleted"
        default_storage.delete(name)
        if default_storage.exists(name):
            yield fail(f"A file in {where} is still there after it was deleted.", "Allow this key to delete objects.")
            return
    except OSError as error:
        mend = (
            "Check LUMAWEB_S3_ENDPOINT, LUMAWEB_S3_BUCKET and what its key is allowed: put, get, list and delete."
            if settings.BUCKET
            else f"Let the user who runs this read and write {settings.MEDIA_ROOT}, and look for free space."
        )
        yield fail(f"A file in {where} could not be {step}: {error.strerror or error}.", mend)
        with suppress(OSError):
            default_storage.delete(name)
        return
    if sound:
        yield ok(f"Files are written, read and deleted in {where}.")


def _links(name: str, data: bytes) -> Iterator[Finding]:
    """Whether a browser can play from the middle, by a link that ends."""
    link = default_storage.link(name, content_type="application/octet-stream", disposition="inline")
    host = urlsplit(link).netloc
    try:
        answer = ask("GET", link, headers={"Range": "bytes=1000-1099"})
    except NoAnswer as error:
        yield fail(
            f"Links to {host} do not work: {error}",
            "Set LUMAWEB_S3_PUBLIC_ENDPOINT to the address browsers reach the bucket at.",
        )
        return
    if answer.status == 200:
        yield warn(
            f"{host} gives whole files only: nobody can seek in a video.", "Let the proxy before it pass on Range."
        )
    elif answer.status != 206 or answer.body != data[1000:1100]:
        yield fail(
            f"A link to {host} is answered by {answer.status}.",
            "Check LUMAWEB_S3_PUBLIC_ENDPOINT and LUMAWEB_S3_REGION, and that no proxy changes the Host.",
        )
    else:
        yield ok(f"Links to {host} work from here, and so does seeking.")
