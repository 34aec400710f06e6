"""Read and write the tar file of a backup."""

import hashlib
import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from django.utils import timezone

from . import manifest
from .errors import RestoreRefused
from .manifest import Manifest, Member

MANIFEST = "manifest.json"
MANIFEST_MAX_BYTES = 512 * 1024**2
SQLITE, POSTGRESQL = "database.sqlite3", "database.pgdump"
# By the member's name: the file in the data directory.
KEYS = {"keys/secret-key": "secret-key", "keys/encryption-keys": "encryption-keys"}
# The only names that a member may have otherwise, so that none leads out of the folder it is extracted to.
MEDIA = re.compile(r"media/((?:videos|frames)(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+)")
CHUNK_SIZE = 1024 * 1024


class Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class HashingReader:
    """Hash a file while it is read."""

    def __init__(self, file: Readable) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self.sha256.update(data)
        return data


class ArchiveWriter:
    """Add members to a tar file and record their sizes and hashes."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.members: dict[str, Member] = {}

    def add(self, file: Readable, size: int, name: str) -> Member:
        """Add `size` bytes of an open file; raise OSError if it has fewer."""
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = size, 0o600, int(timezone.now().timestamp())
        reader = HashingReader(file)
        self._tar.addfile(entry, reader)
        # tarfile would keep every header in memory.
        self._tar.members.clear()  # type: ignore[attr-defined]  # not in typeshed
        self.members[name] = {"size": size, "sha256": reader.sha256.hexdigest()}
        return self.members[name]

    def add_file(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            self.add(file, path.stat().st_size, name)

    def add_bytes(self, data: bytes, name: str) -> None:
        self.add(io.BytesIO(data), len(data), name)


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of an archive; raise RestoreRefused, OSError."""
    with _open(path) as tar:
        entries = [entry for entry in _members(tar) if entry.name == MANIFEST]
        if len(entries) != 1 or entries[0].size > MANIFEST_MAX_BYTES:
            raise RestoreRefused("This is not a backup of Lumaweb, or its end is missing: it has no manifest.")
        text = _content(tar, entries[0]).read()
    return manifest.parse(text)


def unpack(path: Path, manifest: Manifest, folder: Path) -> None:
    """Extract every member into a folder; raise RestoreRefused unless members and manifest agree exactly."""
    extracted = set()
    with _open(path) as tar:
        for entry in _members(tar):
            if entry.name == MANIFEST:
                continue
            if entry.name in extracted:
                raise RestoreRefused(f"The archive holds a member twice, as no backup does: {entry.name!r}")
            extracted.add(entry.name)
            if entry.name not in manifest["members"]:
                raise RestoreRefused(f"The manifest does not list this member of the archive: {entry.name}")
            _extract(tar, entry, folder, manifest["members"][entry.name])
    if missing := manifest["members"].keys() - extracted:
        raise RestoreRefused(f"The archive is incomplete: {min(missing)} is missing ({len(missing)} in total).")


@contextmanager
def _open(path: Path) -> Iterator[tarfile.TarFile]:
    """Open an archive for reading; raise RestoreRefused if the file is missing or is not a valid tar."""
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except FileNotFoundError:
        raise RestoreRefused(f"There is no file {path}.") from None
    except (tarfile.TarError, ValueError, OverflowError) as error:  # tarfile lets the last two pass for odd headers
        raise RestoreRefused(f"{path} cannot be read as a backup: {error}") from None


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of the archive; raise RestoreRefused at the first that `backup` would not have written.

    The product checks this itself, because Python has tarfile.data_filter from 3.11.4 only.
    """
    for entry in tar:
        has_known_name = entry.name in (SQLITE, POSTGRESQL, MANIFEST, *KEYS) or MEDIA.fullmatch(entry.name)
        # A sparse member counts as a regular file and could fill the disk from a few bytes. After a negative size
        # tarfile reads the same member again, without end.
        if not has_known_name or entry.type != tarfile.REGTYPE or entry.issparse() or entry.size < 0:
            raise RestoreRefused(f"The archive holds a member that no backup has: {entry.name[:200]!r}")
        yield entry


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path, expected: Member) -> None:
    damaged = f"The archive was changed or damaged: {entry.name} is not what the manifest says."
    if entry.size != expected["size"]:  # before anything is written, since the disk may be too small for it
        raise RestoreRefused(damaged)
    path = folder / entry.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    reader = HashingReader(_content(tar, entry))
    with path.open("xb") as file:
        path.chmod(0o600)
        shutil.copyfileobj(reader, file, CHUNK_SIZE)
        file.flush()
        os.fsync(file.fileno())
    if reader.sha256.hexdigest() != expected["sha256"]:
        raise RestoreRefused(damaged)


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[Any]:
    file = tar.extractfile(entry)
    assert file is not None, "_members yields regular files only"
    return file
