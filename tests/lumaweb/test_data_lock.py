"""One installation per data directory; a start changes nothing before it holds the directory and the ports."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from lumaweb import data_lock
from lumaweb.ops import preparation

from ..support.installation import ROOT, Installation, a_free_port
from ..support.processes import children_of, is_alive, wait_until

pytestmark = pytest.mark.embedded
OTHER_KEY = "another-signing-key-that-is-long-enough-0123456789"
COUNTS = "from videos.models import ApiToken, Member\nprint(ApiToken.objects.count(), Member.objects.count())"


def run(site: Installation, *words: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT, env=site.env | env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess, words: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("Lumaweb cannot start: ") and words in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1, "one sentence, no traceback"


@contextmanager
def serving(site: Installation, *parts: str, log: Path, **env: str) -> Iterator[subprocess.Popen]:
    """Run processes of `serve` from the time they are ready."""
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--only", *parts],
            cwd=ROOT, env=site.env | env, stdout=said, stderr=said,
        )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while "Lumaweb is ready" not in log.read_text():
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(25)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Installation]:
    """Start a whole installation."""
    site = Installation(tmp_path_factory.mktemp("locked"))
    try:
        yield site.start()
    finally:
        site.stop()


def test_a_second_start_on_the_same_folder_is_refused_before_it_changes_anything(site):
    before = site.python(COUNTS)
    done = run(
        site,
        *("serve", "--prepare"),
        PORT=str(a_free_port()),
        SANDBOX_PORT=str(a_free_port()),
        LUMAWEB_LUMA_TOKEN="the-token-of-the-second-one",
    )
    refused(done, f"running on the data directory {site.folder} already")
    assert site.python(COUNTS) == before


@pytest.mark.parametrize(
    "words",
    [
        ("migrate",),
        ("serve", "--only", "web"),
        ("restore", "nothing.tar"),
        ("backup", "nothing.tar"),
        ("adopt", "a-task"),
        ("move_database",),
        ("move_media", "--to-folder"),
        ("rotate_encryption_keys", "--new-key"),
        ("verify_media",),
        ("sweep", "--once"),
        ("qcluster",),
    ],
)
def test_no_process_of_another_installation_can_start(site, words):
    done = run(site, *words, LUMAWEB_SECRET_KEY=OTHER_KEY, PORT=str(a_free_port()))
    refused(done, f"Another installation of Lumaweb is running on the data directory {site.folder}")


def test_processes_and_commands_of_one_installation_share_the_data_directory(site, tmp_path):
    """More web servers beside a whole installation, and commands meanwhile."""
    first, second = str(a_free_port()), str(a_free_port())
    with (
        serving(site, "web", log=tmp_path / "first", PORT=first),
        serving(site, "web", log=tmp_path / "second", PORT=second),
    ):
        site.manage("migrate", "-v0")
        assert site.python("print(1)") == "1"


def test_separate_processes_share_the_data_directory_and_workers_run_once(tmp_path):
    site = Installation(tmp_path / "data", LUMAWEB_LUMA_BASE_URL="http://127.0.0.1:9")
    site.migrate()
    site.collect_static_files()
    with (
        serving(site, "worker", log=tmp_path / "worker"),
        serving(site, "web", log=tmp_path / "web"),
        serving(site, "ticker", log=tmp_path / "ticker"),
    ):
        refused(run(site, "serve", "--only", "worker"), "its worker is")


def test_the_data_directory_of_a_killed_installation_is_unlocked_at_once(tmp_path):
    site = Installation(tmp_path / "data", LUMAWEB_LUMA_BASE_URL="http://127.0.0.1:9")
    site.migrate()
    with serving(site, "worker", log=tmp_path / "killed") as killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait(10)
    with serving(site, "worker", log=tmp_path / "next"):
        pass
    # After a stop, another key or another installation may use the directory.
    assert run(site, "migrate", "-v0", LUMAWEB_SECRET_KEY=OTHER_KEY).returncode == 0


def test_a_file_system_without_locks_is_refused_with_a_message(tmp_path, settings, monkeypatch):
    def flock(file, kind):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    settings.DATA_DIR = tmp_path
    # Patch flock for this block only: the tests wait for each other by it.
    refused = pytest.raises(ImproperlyConfigured, match=r"cannot lock files \(No locks available\).*NFS version 4")
    with monkeypatch.context() as patched, refused:
        patched.setattr(fcntl, "flock", flock)
        with data_lock.shared():
            pass


# ── Ports ─────────────────────────────────────────────────────────────────────────────────────────────────────


def listens(port: int) -> bool:
    with socket.socket() as visitor:
        return visitor.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def occupied() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


@pytest.mark.parametrize("variable", ["PORT", "SANDBOX_PORT"])
def test_a_start_that_cannot_listen_changes_nothing(tmp_path, variable):
    site = Installation(tmp_path / "data")
    site.migrate()
    site.folder.chmod(0o755)
    given = {"LUMAWEB_LUMA_TOKEN": "a-token-of-the-provider"} if variable == "PORT" else {}
    with occupied() as port:
        refused(run(site, "serve", "--prepare", **{variable: port}, **given), f"port {port}: Address already in use")
    assert site.python(COUNTS) == "0 0", "neither the provider's token nor the sandbox's nor an admin"
    assert not (site.folder / "static").exists()
    assert site.folder.stat().st_mode & 0o777 == 0o755, "not even permissions"


def test_make_run_takes_the_port_before_it_migrates(tmp_path):
    site = Installation(tmp_path / "data")
    with occupied() as port:
        done = subprocess.run(
            # The packages are there: these tests run with them.
            ["make", "--old-file=.venv/ready", f"PYTHON={sys.executable}", "run"],
            cwd=ROOT, env=site.env | {"PORT": port}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert done.returncode != 0 and f"Cannot listen on 127.0.0.1 port {port}" in done.stderr, done.stderr
    assert not (site.folder / "lumaweb.sqlite3").exists()
    assert not (site.folder / "static").exists()


def test_no_other_process_can_listen_on_a_reserved_port(tmp_path):
    """The ports are reserved during the migration, also against a Lumaweb with another data directory."""
    site = Installation(tmp_path / "data")
    lock = site.folder / "migrating"
    site.folder.mkdir()
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as another process that migrates: the start waits for it
        process = subprocess.Popen([sys.executable, "manage.py", "serve", "--prepare"], cwd=ROOT, env=site.env)
        try:
            wait_until(lambda: listens(site.port), lambda: "the port", seconds=30)
            other = Installation(tmp_path / "other", PORT=str(site.port))
            refused(run(other, "serve", "--prepare"), f"port {site.port}: Address already in use")
            wait_until(lambda: children_of(process.pid), lambda: "the migration")
            [migration] = children_of(process.pid)
        finally:
            process.terminate()
            process.wait(10)
    assert process.returncode == 128 + signal.SIGTERM
    assert not is_alive(migration), "left behind"


def test_static_files_are_collected_again_when_a_source_is_newer(tmp_path, settings):
    settings.BASE_DIR, settings.STATIC_ROOT = tmp_path, tmp_path / "collected"
    for path in ("static/css/page.css", "lumaweb/settings.py", ".venv/ready"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert preparation.static_files_are_stale(), "nothing was collected"
    settings.STATIC_ROOT.mkdir()
    (settings.STATIC_ROOT / "staticfiles.json").touch()
    later = time.time() + 60
    assert not preparation.static_files_are_stale()
    for path in ("static/css/page.css", "static/css", "static", "lumaweb/settings.py", ".venv/ready"):
        os.utime(tmp_path / path, (later, later))
        assert preparation.static_files_are_stale(), path
        os.utime(tmp_path / path, (0, 0))
        assert not preparation.static_files_are_stale(), path
