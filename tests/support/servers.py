"""Run a command beside a real PostgreSQL and Redis: `python -m tests.support.servers make test-servers`.

Each is started on loopback in its own folder, and stopped when the command ends. It finds them in
LUMAWEB_TESTS_POSTGRES and LUMAWEB_TESTS_REDIS, without a database: `a_database()` creates one and `a_queue()` a
queue, so that no test sees the rows or wake-up calls of another.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

POSTGRES, REDIS = "LUMAWEB_TESTS_POSTGRES", "LUMAWEB_TESTS_REDIS"
SECRETS = {
    "LUMAWEB_SECRET_KEY": "not-a-secret-but-long-enough-for-the-tests-0123456789",
    "LUMAWEB_ENCRYPTION_KEYS": "bm90LWEtc2VjcmV0LWJ1dC1sb25nLWVub3VnaC1oZXI=",
}
QUEUES = 10_000


def there() -> bool:
    """Return True if this run uses the servers."""
    return POSTGRES in os.environ


def administration() -> psycopg.Connection:
    """Connect to PostgreSQL's own database, from which others are created and dropped."""
    return psycopg.connect(f"{os.environ[POSTGRES]}/postgres", autocommit=True)


def a_database() -> str:
    """Return the URL of a new, empty database."""
    name = f"lumaweb_{uuid.uuid4().hex[:12]}"
    with administration() as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{os.environ[POSTGRES]}/{name}"


def is_empty(database_url: str) -> bool:
    """Return True for a database without tables on this run's PostgreSQL."""
    if not (there() and database_url.startswith(os.environ[POSTGRES])):
        return False
    with psycopg.connect(database_url) as connection:
        return not connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").fetchone()


def a_queue() -> str:
    """Return the URL of an unused Redis database."""
    with redis.Redis.from_url(f"{os.environ[REDIS]}/0") as counter:
        number = int(counter.incr("queues"))
    assert number < QUEUES, "more queues than tests/support/servers.py provides for"
    return f"{os.environ[REDIS]}/{number}"


def both() -> dict[str, str]:
    """Return the environment of an installation with its own database and queue."""
    return SECRETS | {"DATABASE_URL": a_database(), "REDIS_URL": a_queue()}


def a_free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def programs_of_postgres() -> Path:
    """Return the folder of the newest initdb and postgres."""
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    if newest := max(folders, key=lambda path: float(path.parts[-3]), default=None):
        return newest.parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise SystemExit("There is no PostgreSQL here. `.ci/servers` installs it, on Debian and Ubuntu.")


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL; yield its URL without a database."""
    programs, port = programs_of_postgres(), a_free_port()
    # It refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    folder.mkdir()
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    as_user: dict = {"user": user, "group": user, "extra_groups": []} if user else {}
    subprocess.run(
        [programs / "initdb", "-D", folder / "data", "-U", "luma", "--auth=trust", "-E", "UTF8", "--no-locale"],
        check=True, stdout=subprocess.DEVNULL, cwd=folder, **as_user,
    )  # fmt: skip
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "max_connections": 300}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *(f"-c{name}={value}" for name, value in options.items())],
            stdout=log, stderr=log, cwd=folder, **as_user,
        )  # fmt: skip
    try:
        _wait_for(server, port, folder / "log")
        yield f"postgres://luma@127.0.0.1:{port}"
    finally:
        _end(server, signal.SIGINT)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a Redis; yield its URL without a database number."""
    program = shutil.which("redis-server")
    if not program:
        raise SystemExit("There is no redis-server here. `.ci/servers` installs it, on Debian and Ubuntu.")
    folder.mkdir()
    port = a_free_port()
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--databases", str(QUEUES), "--save", "",
             "--dir", str(folder)],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_for(server, port, folder / "log")
        yield f"redis://127.0.0.1:{port}"
    finally:
        _end(server, signal.SIGTERM)


def _wait_for(server: subprocess.Popen, port: int, log: Path) -> None:
    for _ in range(300):
        if server.poll() is not None:
            raise SystemExit(f"A server ended at its start:\n{log.read_text()}")
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"A server does not listen after 30 s:\n{log.read_text()}")


def _end(server: subprocess.Popen, how: signal.Signals) -> None:
    server.send_signal(how)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """Run both servers; yield the environment that names them."""
    with tempfile.TemporaryDirectory(prefix="lumaweb-servers-") as scratch:
        os.chmod(scratch, 0o755)  # PostgreSQL runs as somebody else
        with postgres(Path(scratch, "postgres")) as database, redis_server(Path(scratch, "redis")) as queue:
            yield {POSTGRES: database, REDIS: queue}


def main() -> None:
    with running() as named:
        # Ctrl-C reaches the command too, which ends by it; then we do.
        signal.signal(signal.SIGINT, lambda *_: None)
        done = subprocess.run(sys.argv[1:], env=os.environ | named)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
