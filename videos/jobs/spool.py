"""Outcomes that the database has not accepted yet, in files, so that they outlive their worker.

One JSON file for each outcome, readable only by the user that runs Lumaweb.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from lumaweb.durability import sync_folder

from .outcome import Outcome


def read(path: Path) -> Outcome:
    """Read a file of the spool; raise OSError, or ValueError if it is not an outcome."""
    return Outcome.from_json(path.read_text())


def folder() -> Path:
    return settings.DATA_DIR / "unsaved-answers"


def path_of(outcome: Outcome) -> Path:
    return folder() / f"{outcome.uuid}-{outcome.attempt}.json"


def write(outcome: Outcome) -> None:
    """Write an outcome to the disk, completely or not at all; raise OSError."""
    path = path_of(outcome)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(outcome.as_json())
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove(outcome: Outcome) -> None:
    path_of(outcome).unlink(missing_ok=True)


def pending() -> Iterator[Path]:
    """Yield the files of the spool, including those of running workers, which are still trying to record them."""
    return folder().glob("*.json")


def set_aside(path: Path) -> Path:
    """Keep a file that cannot be recorded for an admin to read; return its new path."""
    return path.rename(path.with_suffix(".failed"))
