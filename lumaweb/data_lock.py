"""Prevent two installations from using one data directory, with `flock`: a lock ends with its process.

Every process of an installation holds a shared lock on `lock`; its content names the installation. A part that may run
only once in a data directory also holds an exclusive lock on `lock-<part>`. Child processes do not inherit the locks.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac

from .permissions import PRIVATE_FILE

WAIT = 5.0  # seconds, for another process to write its identity, which takes milliseconds


@contextmanager
def shared(*once: str) -> Iterator[None]:
    """Lock the data directory for this installation, and exclusively for these parts of it.

    Raises ImproperlyConfigured if another installation holds it, a part runs already, or files cannot be locked.
    """
    with ExitStack() as held:
        _join(_opened("lock", held))
        for part in once:
            if not _lock(_opened(f"lock-{part}", held), fcntl.LOCK_EX):
                raise ImproperlyConfigured(
                    f"Lumaweb is running on the data directory {settings.DATA_DIR} already: its {part} is, on this "
                    "machine, in a container, or on another machine that mounts the directory. Stop it, or set "
                    "LUMAWEB_DATA_DIR to another folder."
                )
        yield


def identity() -> str:
    """Return a hash of what distinguishes installations: the signing key and the database."""
    database = settings.DATABASES["default"]
    # Without the host, which differs between a connection pool and its database, and without the path of SQLite's file,
    # which containers mount elsewhere.
    name = "" if settings.DATABASE_URL == "" else str(database["NAME"])
    return salted_hmac("lumaweb.data_lock", f"{database['ENGINE']} {name}", algorithm="sha256").hexdigest()


def _join(file: int) -> None:
    """Share the lock with the installation that holds it, or make it this one's if no process does."""
    ours = identity()
    deadline = time.monotonic() + WAIT
    while True:
        if _lock(file, fcntl.LOCK_EX):
            _write(file, ours)
        # Converting the lock into a shared one is not atomic: another process may have written its identity in between.
        if _lock(file, fcntl.LOCK_SH) and (found := os.pread(file, 200, 0).decode(errors="replace")):
            if found == ours:
                return
            raise ImproperlyConfigured(
                f"Another installation of Lumaweb is running on the data directory {settings.DATA_DIR}: it has another "
                "secret key or another database. Stop it (it may run in a container or on another machine), or set "
                "LUMAWEB_DATA_DIR to another folder."
            )
        if time.monotonic() > deadline:
            raise ImproperlyConfigured(f"Another process keeps {settings.DATA_DIR / 'lock'} locked. Stop it.")
        time.sleep(0.02)


def _opened(name: str, held: ExitStack) -> int:
    path = settings.DATA_DIR / name
    try:
        # Open for writing: NFS requires that for an exclusive lock.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be opened for writing: {error.strerror}. The user that runs Lumaweb must own it."
        ) from None
    held.callback(os.close, file)
    return file


def _lock(file: int, kind: int) -> bool:
    """Lock a file without waiting; return False if another process prevents it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise ImproperlyConfigured(
            f"The file system of {settings.DATA_DIR} cannot lock files ({error.strerror}), so nothing would keep a "
            "second Lumaweb from writing there. Put LUMAWEB_DATA_DIR on a local disk or on NFS version 4."
        ) from None
    return True


def _write(file: int, text: str) -> None:
    if os.pread(file, 200, 0).decode(errors="replace") == text:
        return
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, text.encode(), 0)
    except OSError as error:
        raise ImproperlyConfigured(f"{settings.DATA_DIR / 'lock'} cannot be written: {error.strerror}.") from None
