"""The folder of scheduled backups: archives of the database, the store of the media, and a lock."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from lumaweb.deadline import SingleFlight, TimedOut
from lumaweb.permissions import PRIVATE_FILE, PRIVATE_FOLDER

from .creating import UNFINISHED
from .errors import BackupFailed
from .store import MediaStore

PREFIX = "database-"  # other archives in the folder are not touched
TIMEOUT = 2.0  # seconds that a web server or the ticker waits for the folder


class BackupFolder:
    """LUMAWEB_BACKUP_DIR. Only its owner has access to what Lumaweb creates in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = MediaStore(path / "media")

    def prepare(self, *, was_used: bool) -> None:
        """Create the folder unless it exists. Raises BackupFailed, OSError.

        `was_used`: it should hold earlier backups. If it looks new, its disk is probably not mounted, and a backup
        would fill another disk.
        """
        if was_used and not self.store.folder.is_dir():
            raise BackupFailed(
                f"{self.path} does not hold the earlier backups. Is its disk mounted? To start over in this folder, "
                f"create the folder {self.store.folder}."
            )
        if not self.path.parent.is_dir():
            raise BackupFailed(f"There is no folder {self.path.parent}. Create it, or is its disk not mounted?")
        self.path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        self.store.folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Lock the folder for the block, and yield False if another process has locked it. The lock ends with it."""
        file = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            yield _lock(file)
        finally:
            os.close(file)

    def is_locked(self) -> bool:
        """Return whether a process makes or checks a backup at the moment."""
        try:
            file = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return not _lock(file)
        finally:
            os.close(file)

    def remove_unfinished(self) -> None:
        """Delete what killed backups have left; call it with the lock."""
        for folder in self.path.glob(f"{UNFINISHED}*"):
            shutil.rmtree(folder)
        self.store.remove_unfinished()

    def archives(self) -> list[Path]:
        """List the archives, the oldest first."""
        return sorted(self.path.glob(f"{PREFIX}*.tar"))

    def new_archive(self, now: datetime) -> Path:
        return self.path / f"{PREFIX}{timezone.localtime(now):%Y-%m-%d-%H%M%S}.tar"

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    def shares_disk_with(self, other: Path) -> bool:
        """Return whether one broken disk would lose both this folder and the other."""
        try:
            return self.path.stat().st_dev == other.stat().st_dev
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class FolderState:
    """LUMAWEB_BACKUP_DIR as this machine sees it. `problem` says why the folder cannot be read; "" if it can."""

    problem: str = ""
    shares_disk: bool = False  # with the media or the database
    archives: frozenset[str] = frozenset()  # their names


def folder_state() -> FolderState:
    """Return the state of LUMAWEB_BACKUP_DIR, after TIMEOUT seconds at most."""
    try:
        return _STATE.result(TIMEOUT)
    except TimedOut:
        return FolderState(problem=f"no answer within {TIMEOUT:.0f} s")
    except OSError as error:
        return FolderState(problem=error.strerror or type(error).__name__)


def _read_state() -> FolderState:
    if settings.BACKUP_DIR is None:
        return FolderState()
    folder = BackupFolder(settings.BACKUP_DIR)
    return FolderState(
        shares_disk=folder.shares_disk_with(settings.DATA_DIR),
        archives=frozenset(archive.name for archive in folder.archives()),
    )


# A network share whose server is down can block a thread forever.
_STATE = SingleFlight(_read_state)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
