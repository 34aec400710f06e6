"""What a start on a fresh or updated machine needs: the tables of this version and the static files."""

import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management import call_command


def prepare() -> None:
    """Migrate the database, and collect the static files if a source is newer than what was collected."""
    call_command("migrate", interactive=False, verbosity=0)
    if static_files_are_old():
        call_command("collectstatic", interactive=False, verbosity=0)


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
    # `make` touches it when packages were installed, which bring static files of their own.
    yield settings.BASE_DIR / ".venv/ready"
