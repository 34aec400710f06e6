"""Work with the media storage: a folder on this machine or a bucket."""

import hashlib
import logging
import os
import posixpath
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, default_storage
from django.db.models.fields.files import FieldFile

from lumaweb.durability import sync_folder

logger = logging.getLogger(__name__)

CHUNK_SIZE = 1024 * 1024
FILE_MODE = 0o640


class LocalFile(File):
    """A finished local file that a folder storage moves into place instead of copying it.

    A bucket reads it from the disk in parts, so that a large file is never in memory.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        super().__init__(file, name=str(path))
        self._path = path

    def temporary_file_path(self) -> str:
        """Return the path; Django's file system storage moves a file that has this method."""
        return str(self._path)


def incoming_folder() -> Path:
    """Return the folder for files that are not stored yet, on a disk of this machine."""
    folder = Path(settings.MEDIA_ROOT) / "incoming"
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    return folder


def flush_to_disk(name: str, storage: Storage = default_storage) -> None:
    """Flush a stored file and its folders to the disk, before a row promises that the file exists.

    Do nothing for a storage that is not on this machine's disks.
    """
    try:
        path = Path(storage.path(name))
    except NotImplementedError:
        return
    root = Path(settings.MEDIA_ROOT)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    for folder in path.parents:
        if folder.is_relative_to(root):
            sync_folder(folder)


def store_as(path: Path, name: str, storage: Storage = default_storage) -> None:
    """Store a finished local file under exactly this name; raise FileExistsError if the name is taken.

    A folder storage moves the file; a bucket copies it.
    """
    path.chmod(FILE_MODE)
    with path.open("rb") as file:
        stored = storage.save(name, LocalFile(file, path))
    if stored != name:
        storage.delete(stored)
        raise FileExistsError(f"There is a file in the media already: {name}")


def file_sizes(names: Iterable[str]) -> dict[str, int]:
    """Return the sizes in bytes of those files that exist. Raises OSError."""
    if bucket_sizes := getattr(default_storage, "sizes", None):  # one listing instead of a request for each file
        sizes: dict[str, int] = bucket_sizes(names)
        return sizes
    found = {}
    for name in names:
        with suppress(FileNotFoundError):
            found[name] = default_storage.size(name)
    return found


def list_files(folder: str = "") -> Iterator[str]:
    """Yield the names of all files in and below a folder, one folder in memory at a time. Raises OSError."""
    if bucket_files := getattr(default_storage, "files", None):
        yield from (name for name, _ in bucket_files(folder))
        return
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in sorted(files):
        yield posixpath.join(folder, name)
    for name in sorted(folders):
        yield from list_files(posixpath.join(folder, name))


@contextmanager
def local_copy(stored: FieldFile) -> Iterator[tuple[Path, str]]:
    """Yield the path of a stored file on this machine and its SHA-256 in hex. Raises OSError.

    A file in a bucket is downloaded and deleted afterwards.
    """
    try:
        path = Path(stored.path)
    except NotImplementedError:
        with stored.open("rb") as source, NamedTemporaryFile(dir=incoming_folder(), suffix=".mp4") as copy:
            digest = hashlib.sha256()
            for chunk in source.chunks(CHUNK_SIZE):
                digest.update(chunk)
                copy.write(chunk)
            copy.flush()
            yield Path(copy.name), digest.hexdigest()
    else:
        with path.open("rb") as source:
            sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        yield path, sha256


def delete_files(names: Iterable[str]) -> None:
    """Delete files that no row names; log and skip those that cannot be deleted."""
    for name in names:
        try:
            default_storage.delete(name)
        except OSError as error:
            # The caller may be handling a more important error. `verify_media` finds the file later.
            logger.warning("file %s is not needed and cannot be removed: %s", name, error)
