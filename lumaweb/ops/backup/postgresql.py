"""Dump and load the PostgreSQL database with its own programs."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection, transaction

from .errors import BackupFailed

# By the connection parameter: the environment variable of PostgreSQL's programs.
ENVIRONMENT = {
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL", "channel_binding": "PGCHANNELBINDING", "target_session_attrs": "PGTARGETSESSIONATTRS",
    "options": "PGOPTIONS", "service": "PGSERVICE", "passfile": "PGPASSFILE", "connect_timeout": "PGCONNECT_TIMEOUT",
}  # fmt: skip
HEAD_BYTES = 64 * 1024  # of a script, in which pg_restore writes the settings


@contextmanager
def dump(target: Path) -> Iterator[None]:
    """Dump the database as it is at one moment; within the block the ORM reads that moment. Raises BackupFailed."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
        run("pg_dump", "--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={target}")
        yield


def load(source: Path, *, then: str) -> None:
    """Load a dump and execute the statement `then`, in one transaction. Raises BackupFailed."""
    script = source.with_name("database.sql")
    # Without comments: only its owner may comment on an extension, and a superuser may have created it.
    run("pg_restore", "--no-owner", "--no-privileges", "--no-comments", f"--file={script}", str(source))
    remove_newer_settings(script)
    connection.close()
    run("psql", "-X", "-q", "--single-transaction", "-v", "ON_ERROR_STOP=1", "-f", str(script), "-c", then)


def list_contents(source: Path) -> None:
    """Read the table of contents of a dump, without a database. Raises BackupFailed."""
    run("pg_restore", "--list", str(source))


def remove_newer_settings(script: Path) -> None:
    """Comment out the setting that pg_restore 17 and newer writes and servers before 17 do not know."""
    with script.open("r+b") as file:
        place = file.read(HEAD_BYTES).find(b"\nSET transaction_timeout")
        if place >= 0:
            file.seek(place + 1)
            file.write(b"--")


def run(program: str, *arguments: str) -> None:
    """Run a PostgreSQL program on the database. The environment passes the password, as others can list arguments."""
    database = connection.settings_dict
    variables = {
        "PGDATABASE": database["NAME"],
        "PGUSER": database.get("USER"),
        "PGPASSWORD": database.get("PASSWORD"),
        "PGHOST": database.get("HOST"),
        "PGPORT": str(database.get("PORT") or ""),
    }
    # Other connection parameters of DATABASE_URL, such as a root certificate.
    options = database.get("OPTIONS", {})
    variables |= {ENVIRONMENT[name]: str(value) for name, value in options.items() if name in ENVIRONMENT}
    try:
        done = subprocess.run(
            [program, *arguments],
            env=os.environ | {name: value for name, value in variables.items() if value},
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise BackupFailed(f"{program} is not installed. It comes with PostgreSQL's client programs.") from None
    if done.returncode:
        raise BackupFailed(f"{program} failed: {done.stderr.strip()[-500:]}")
