"""Prepare a fresh or updated machine for a start: the database's tables and the static files."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings

from lumaweb.signals import exit_on_sigterm


def prepare(say: Callable[[str], object]) -> None:
    """Migrate the database, and collect the static files if a source is newer than the collected files.

    `say` prints a line about what takes time. Exits with status 1 if one of them fails. Each runs in its own process:
    `serve` would otherwise keep the modules that they load (48 MB) for as long as it runs.
    """
    with exit_on_sigterm():
        say("Preparing the database")
        _run("migrate")
        if static_files_are_stale():
            say("Collecting static files")
            _run("collectstatic")


def _run(command: str) -> None:
    argv = [sys.executable, str(settings.BASE_DIR / "manage.py"), command, "--no-input", "--verbosity", "0"]
    # An exception here, also one raised by a signal handler, kills the process. In its own process group, Ctrl-C does
    # not reach it, and it prints nothing about that.
    if subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, process_group=0).returncode:
        sys.exit(1)  # the command has printed the reason


def static_files_are_stale() -> bool:
    """Return whether a static file, the settings or the installed packages changed since the files were collected."""
    try:
        collected_at = os.stat(Path(settings.STATIC_ROOT) / "staticfiles.json").st_mtime
    except FileNotFoundError:
        return True
    return any(path.stat().st_mtime > collected_at for path in _sources() if path.exists())


def _sources() -> Iterator[Path]:
    static = settings.BASE_DIR / "static"
    # Folders too: their modification time changes when a file is removed.
    yield from (static, *static.rglob("*"))
    yield settings.BASE_DIR / "lumaweb/settings.py"
    # Packages contain static files: `make` touches the first after an installation, an update changes the second.
    yield from (settings.BASE_DIR / ".venv/ready", settings.BASE_DIR / "requirements.txt")
