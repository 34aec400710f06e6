"""Prepare a migrated database and collected static files once in a test run, and copy them.

Migrating and collecting take 6 s of CPU time, and a test run needs them some fifty times: in each process of pytest
and in each installation that a test starts. Without `FOLDER` in the environment (`make bench`, `make chaos`,
`make screenshots`) nothing is prepared.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import servers

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "LUMAWEB_TESTS_PREPARED"  # the folder that all processes of this test run share
TEMPLATE = "lumaweb_prepared"  # the PostgreSQL database that others are copied from


def expected() -> bool:
    """Return True in a test run, which prepares once and copies."""
    return FOLDER in os.environ


def copy_static_files(to: Path) -> None:
    """Copy the collected static files to a folder that does not exist yet."""
    shutil.copytree(_data_dir() / "static", to)


def copy_sqlite(to: Path) -> None:
    """Copy the migrated SQLite database to a file that does not exist yet."""
    # SQLite removes its log when the last connection closes, so the one file is the whole database.
    shutil.copyfile(_data_dir() / "lumaweb.sqlite3", to)


def copy_postgres(to: str) -> None:
    """Copy the migrated PostgreSQL database to this URL, in place of a database without tables, if there is one."""
    name = to.rpartition("/")[2]
    with _locked(), servers.administration() as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
            _manage("migrate", DATABASE_URL=f"{os.environ[servers.POSTGRES]}/{TEMPLATE}", **servers.SECRETS)
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')


def _data_dir() -> Path:
    """Return the prepared data directory, after preparing it if no process of this run has."""
    folder = Path(os.environ[FOLDER]) / "data"
    with _locked():
        done = folder / "prepared"
        if not done.exists():
            _manage("migrate", LUMAWEB_DATA_DIR=str(folder))
            _manage("collectstatic", "--noinput", LUMAWEB_DATA_DIR=str(folder))
            done.touch()
    return folder


@contextmanager
def _locked() -> Iterator[None]:
    with (Path(os.environ[FOLDER]) / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _manage(*words: str, **env: str) -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": "", "REDIS_URL": ""}
    subprocess.run(
        [sys.executable, "manage.py", *words, "-v0"], cwd=ROOT, env=os.environ | settings | env, check=True, timeout=300
    )
