"""A database that cannot be used, with a real PostgreSQL: the start, the doctor and /readyz name the reason."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from ..support import servers
from ..support.installation import ROOT, Installation, a_free_port

pytestmark = pytest.mark.servers

PASSWORD = "markedMARKEDmarkedMARKED"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run a PostgreSQL that checks the password of one user; yield its address, as host:port."""
    with (
        tempfile.TemporaryDirectory(prefix="lumaweb-database-") as scratch,
        servers.postgres(open_to_all(Path(scratch)) / "postgres") as url,
    ):
        rules = Path(scratch, "postgres/data/pg_hba.conf")
        rules.write_text(f"host all strict 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        with started(url) as connection:
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE ROLE strict LOGIN PASSWORD 'right'")
            connection.execute("CREATE DATABASE studio")
        yield url.rpartition("@")[2]


def open_to_all(folder: Path) -> Path:
    folder.chmod(0o755)  # PostgreSQL runs as somebody else
    return folder


def started(url: str) -> psycopg.Connection:
    """Connect as soon as the server has started; it listens a little before."""
    end = time.monotonic() + 30
    while True:
        try:
            return psycopg.connect(f"{url}/postgres", autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() < end
            time.sleep(0.1)


def site_of(tmp_path: Path, url: str) -> Installation:
    site = Installation(tmp_path / "site", DATABASE_URL=url, **servers.SECRETS)
    site.env.pop("REDIS_URL", None)
    site.folder.mkdir()
    return site


def ran(site: Installation, *words: str) -> tuple[int, str]:
    """Run a command; return its exit status and all its output."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=site.env, capture_output=True, text=True, timeout=60
    )
    output = done.stdout + done.stderr
    assert "Traceback" not in output and PASSWORD not in output, output
    return done.returncode, output


@pytest.mark.parametrize(
    ("url", "code", "reason", "advice"),
    [
        ("postgres://nobody@{}/studio", "database-user", 'role "nobody" does not exist', "Correct the user"),
        (
            f"postgres://strict:{PASSWORD}@{{}}/studio",
            "database-password",
            'password authentication failed for user "strict"',
            "Correct the user and the password in DATABASE_URL",
        ),
        ("postgres://luma@{}/absent", "database-name", 'database "absent" does not exist', "create the database"),
        (
            f"postgres://luma:{PASSWORD}@127.0.0.1:{{free}}/studio",
            "database-refused",
            "Connection refused",
            "Start the",
        ),
        ("postgres://luma@no-such-name.invalid/studio", "database-host", "resolve host", "Correct the host"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_by_the_start_and_the_doctor(
    tmp_path, server, url, code, reason, advice
):
    site = site_of(tmp_path, url.format(server, free=a_free_port()))
    status, printed = ran(site, "doctor", "--offline", "--json")
    [found] = [finding for finding in json.loads(printed)["findings"] if finding["look"] == "database"]
    assert (status, found["code"]) == (1, code) and reason in found["words"] and advice in found["mend"]
    for words in (("serve",), ("serve", "--only", "web"), ("migrate",)):
        status, printed = ran(site, *words)
        assert status == 1 and reason in printed and advice in printed, printed


def test_migrations_behind_and_ahead_and_a_lost_database_are_named(tmp_path, server):
    site = site_of(tmp_path, f"postgres://luma@{server}/studio")
    status, printed = ran(site, "serve", "--only", "web")
    assert status == 1 and "The database is not up to date. Not applied: " in printed, printed
    assert "Run `manage.py migrate` once" in printed

    ran(site, "migrate", "-v0")
    with psycopg.connect(site.env["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('videos', '9999_future', now())")
    site.collect_static_files()
    site.is_prepared = True
    try:
        site.start(only=("web",))
        assert "The database is of a newer version than this code: videos.9999_future." in site.log.read_text()
        ready = httpx.get(f"{site.url}/readyz", trust_env=False).json()
        assert ready["warnings"] == {"migrations": "The database is of a newer version than this code."}
        ada = site.visitor()
        ada.post("/settings/health/")
        end = time.monotonic() + 60
        while 'data-state="checked"' not in (page := ada.http.get("/settings/health/").text):
            assert time.monotonic() < end, page
            time.sleep(0.2)
        assert 'data-code="migrations-ahead"' in page

        with psycopg.connect(f"postgres://luma@{server}/postgres", autocommit=True) as connection:
            connection.execute("ALTER DATABASE studio ALLOW_CONNECTIONS false")
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'studio'")
        answer = httpx.get(f"{site.url}/readyz", trust_env=False)
        assert answer.status_code == 503 and "studio" not in answer.text, "it is public"
        assert answer.json()["problems"]["database"]
    finally:
        site.stop()
