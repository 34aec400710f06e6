"""Run an installation, inject faults and kills, and compare the provider's ledger with the database afterwards.

Linux only: it reads processes and connections from /proc. With DATABASE_URL, it creates a database on that PostgreSQL
server and drops it at the end; with REDIS_URL, that Redis database must be empty, and is emptied at the end.
"""

import argparse
import os
import random
import secrets
import shutil
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import django
import psycopg
import redis

from .disk import small_disk


def main() -> None:
    options = parse_options()
    folder = Path(tempfile.mkdtemp(prefix="lumaweb-chaos-"))
    passed = False
    with small_disk(folder):
        try:
            with temporary_database() as database_url, empty_broker() as redis_url:
                set_up_django(folder, database_url, redis_url)
                from .run import run  # imports models, which need Django to be set up

                passed = run(options, folder)
        finally:
            if not passed or options.keep:
                kept = folder.with_name(f"{folder.name}-kept")
                shutil.copytree(folder, kept)
                print(f"data directory kept: {kept}", file=sys.stderr)
    shutil.rmtree(folder)
    sys.exit(0 if passed else 1)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--generations", type=int, default=500)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=15, help="for the whole run; faults and kills take about half")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of all random choices")
    parser.add_argument("--rounds", type=int, default=2, help="how often each disruption other than a kill happens")
    parser.add_argument("--polled", action="store_true", help="no public URL: results are looked up")
    parser.add_argument("--gentle", action="store_true", help="only faults and kills that are overcome quickly")
    parser.add_argument("--keep", action="store_true", help="keep the data directory even if nothing was violated")
    return parser.parse_args()


def set_up_django(folder: Path, database_url: str, redis_url: str) -> None:
    """Connect this process to the database of the installation that is about to start."""
    for name in [name for name in os.environ if name.startswith(("LUMAWEB_", "SANDBOX_"))]:
        del os.environ[name]
    os.environ |= {"DJANGO_SETTINGS_MODULE": "lumaweb.settings", "LUMAWEB_DATA_DIR": str(folder)}
    os.environ["LUMAWEB_ENV_FILE"] = ""
    os.environ |= {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    if database_url:
        os.environ["LUMAWEB_SECRET_KEY"] = secrets.token_urlsafe(50)
        os.environ["LUMAWEB_ENCRYPTION_KEYS"] = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    django.setup()


@contextmanager
def temporary_database() -> Iterator[str]:
    """Create a database on the server of DATABASE_URL and yield its URL; "" for SQLite."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        yield ""
        return
    name = f"lumaweb_chaos_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def empty_broker() -> Iterator[str]:
    """Yield REDIS_URL, whose database is empty before and after; "" for the database broker."""
    url = os.environ.get("REDIS_URL", "")
    if not url:
        yield ""
        return
    with redis.Redis.from_url(url) as server:
        if server.dbsize():
            sys.exit("The Redis database that REDIS_URL names is not empty. Name an unused one.")
        try:
            yield url
        finally:
            server.flushdb()


if __name__ == "__main__":
    main()
