"""File permissions: only the installation's user reads the database and the keys; its group also reads the media."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

# The group may read, because a proxy in it sends the media. Private files get mode 0600.
UMASK = 0o027
FOLDER, MEDIA_FILE = 0o750, 0o640
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
# Prefixes, which include a database's -wal and -shm and the former keys that a restore or a rotation keeps.
PRIVATE_NAMES = ("lumaweb.sqlite3", "secret-key", "encryption-keys")


def tighten(data_dir: Path, media_root: Path | None) -> None:
    """Remove the permissions that this installation's files should not have.

    `media_root` is None if the media are in a bucket. Raises ImproperlyConfigured if other users keep access.
    """
    for folder in (data_dir, data_dir / "uploads"):
        limit(folder, FOLDER)
    for path in _private_files(data_dir):
        limit(path, PRIVATE_FILE)
    _tighten_tree(data_dir / "unsaved-answers", PRIVATE_FOLDER, PRIVATE_FILE)
    if media_root is not None:
        _tighten_tree(media_root, FOLDER, MEDIA_FILE)


def create_folder(path: Path) -> None:
    """Create a folder of the installation, and its parents, unless it exists; raise ImproperlyConfigured."""
    try:
        path.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The folder {path} cannot be created: {error.strerror}. Set LUMAWEB_DATA_DIR to a folder that "
            f"{_user_name(os.geteuid())}, who runs Lumaweb, can write to."
        ) from None


def create_private(path: Path) -> None:
    """Create an empty file with mode 0600 unless it exists; raise OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))


def limit(path: str | Path, allowed: int) -> None:
    """Remove all permissions of group and others that are not in `allowed`; a file that is gone needs none.

    Raises ImproperlyConfigured if group or others can still read or others can still write.
    """
    try:
        mode = _mode(path)
        if not (excess := mode & 0o077 & ~allowed):
            return
        try:
            os.chmod(path, mode & ~excess)
            reason = "its file system does not keep permissions"
        except PermissionError as error:
            reason = str(error.strerror)
        left = _mode(path) & excess
    except FileNotFoundError:  # SQLite removes its -wal with the last connection
        return
    # A folder that another user lends through its group has to stay writable for the group.
    if left & ~stat.S_IWGRP:
        raise ImproperlyConfigured(_refusal(path, allowed, reason))


def _private_files(data_dir: Path) -> Iterator[str]:
    with os.scandir(data_dir) as entries:
        for entry in entries:
            if entry.name.startswith(PRIVATE_NAMES) and entry.is_file():
                yield entry.path


def _tighten_tree(root: Path, folder: int, file: int) -> None:
    """Limit a folder and its content. The root may be a link to another disk; links inside are not followed."""
    if not root.is_dir():
        return
    limit(root, folder)
    waiting = [str(root)]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except FileNotFoundError:  # a worker removed it meanwhile
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    limit(entry.path, folder)
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    limit(entry.path, file)


def _mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def _refusal(path: str | Path, allowed: int, reason: str) -> str:
    found = os.stat(path)
    user = _user_name(os.geteuid())
    return (
        f"Other users of this machine have access to {path} (mode {stat.S_IMODE(found.st_mode):04o}, owner "
        f"{_user_name(found.st_uid)}), and {user}, who runs Lumaweb, cannot change that: {reason}. Run "
        f"`chown {user} {path}` and `chmod {allowed:o} {path}`, or set LUMAWEB_DATA_DIR to a folder owned by {user}."
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # containers run users that no file names
        return str(uid)
