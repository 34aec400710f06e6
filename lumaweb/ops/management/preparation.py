"""What a start on a fresh or updated machine needs: the tables of this version and the static files."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from lumaweb.signals import exit_on_sigterm


def prepare() -> None:
    """Migrate the database, and collect the static files if a source is newer than what was collected.

    Exits where one of them fails. Each is a process of its own: what they load, `serve` would keep for as long as it
    runs (48 MB).
    """
    with exit_on_sigterm():
        _run("migrate")
        if static_files_are_old():
            _run("collectstatic")


def _run(command: str) -> None:
    words = [sys.executable, str(settings.BASE_DIR / "manage.py"), command, "--no-input", "--verbosity", "0"]
    # An exception here, be it a signal's, kills the process.
    if subprocess.run(words, check=False).returncode:
        sys.exit(1)  # it has said why


def static_files_are_old() -> bool:
    """Return whether a static file, the settings or the installed packages changed since the files were collected."""
    try:
        collected = os.stat(Path(settings.STATIC_ROOT) / "staticfiles.json").st_mtime
    except FileNotFoundError:
        return True
    return any(path.stat().st_mtime > collected for path in _sources() if path.exists())


def _sources() -> Iterator[Path]:
    static = settings.BASE_DIR / "static"
    # The folders too: theirs is the time at which a file was removed.
    yield from (static, *static.rglob("*"))
    yield settings.BASE_DIR / "lumaweb/settings.py"
    # Packages contain static files: `make` touches the first after an installation, an update changes the second.
    yield from (settings.BASE_DIR / ".venv/ready", settings.BASE_DIR / "requirements.txt")
