"""The store of scheduled backups: each media file once, under its SHA-256, in `media/` beside the archives."""

import hashlib
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from django.core.files.storage import default_storage

from lumaweb.durability import sync_folder
from lumaweb.permissions import PRIVATE_FILE, PRIVATE_FOLDER

from .archive import CHUNK_SIZE, MEDIA, Readable
from .manifest import Member

UNFINISHED = ".unfinished-"
DAMAGED = ".damaged"  # suffix; such a file is deleted with the other media that no archive needs


class MediaStore:
    """Files named by their content. A file appears under its name only when it is complete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256

    def has(self, member: Member) -> bool:
        """Return whether the store has this file, by its hash and size; its content is not read."""
        try:
            return self.path(member["sha256"]).stat().st_size == member["size"]
        except FileNotFoundError:
            return False

    def add(self, file: Readable, copied: Callable[[int], None]) -> Member:
        """Copy a file into the store, and return its size and hash; call `copied` with each number of bytes."""
        digest, size = hashlib.sha256(), 0
        unfinished = self.folder / f"{UNFINISHED}{secrets.token_hex(8)}"
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as copy:
                while chunk := file.read(CHUNK_SIZE):
                    digest.update(chunk)
                    size += len(chunk)
                    copy.write(chunk)
                    copied(len(chunk))
                copy.flush()
                os.fsync(copy.fileno())
            target = self.path(digest.hexdigest())
            target.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            os.replace(unfinished, target)
            sync_folder(target.parent)
        finally:
            unfinished.unlink(missing_ok=True)
        return {"size": size, "sha256": digest.hexdigest()}

    def files(self) -> Iterator[Path]:
        """Yield the stored files."""
        for folder in self.folder.glob("[0-9a-f][0-9a-f]"):
            with os.scandir(folder) as entries:
                yield from (Path(entry.path) for entry in entries if not entry.name.startswith("."))

    def set_aside(self, sha256: str) -> None:
        """Rename a damaged file, so that the next backup copies the media again: it looks at names and sizes only."""
        path = self.path(sha256)
        path.replace(path.with_suffix(DAMAGED))
        sync_folder(path.parent)

    def remove_unfinished(self) -> None:
        """Delete what a killed backup has left; call it while no other backup runs."""
        for path in self.folder.glob(f"{UNFINISHED}*"):
            path.unlink()

    def remove_except(self, needed: Collection[str]) -> int:
        """Delete the files whose hash is not needed, and return their number."""
        unneeded = [path for path in self.files() if path.name not in needed]
        for path in unneeded:
            path.unlink()
        return len(unneeded)


class Collector:
    """Copy the media that the store does not have yet.

    File names are never used twice, so a name that an earlier backup knows has the same content. `known`: what the
    latest backup knows, by name.
    """

    def __init__(self, store: MediaStore, known: dict[str, Member], progress: Callable[[int], None]) -> None:
        self._store, self._known, self._progress = store, known, progress
        self.members: dict[str, Member] = {}
        self.remarks: dict[str, str] = {}  # by the file's name
        self.copied_bytes = 0

    def is_stored(self, name: str, sha256: str, size: int | None) -> bool:
        """Return whether the store has the file, and note it; `sha256` and `size` may be unknown: "" and None."""
        # The saved content, even if the file in the storage has been damaged since.
        saved: Member | None = {"size": size, "sha256": sha256} if sha256 and size is not None else None
        for member in (saved, self._known.get(name)):
            if member and self._store.has(member):
                self._note(name, member, sha256)
                return True
        return False

    def collect(self, name: str, sha256: str, size: int | None) -> None:
        """Store a file unless it is stored already, or remark why it cannot be. Raises OSError if the store fails."""
        if name in self.members or self.is_stored(name, sha256, size):
            return
        if not MEDIA.fullmatch(f"media/{name}"):
            self.remarks[name] = f"left out, because a restore would refuse its name: {name}"
            return
        try:
            file = default_storage.open(name, "rb")
        except FileNotFoundError:
            self.remarks[name] = f"missing: {name}"
            return
        with file:
            self._note(name, self._store.add(file, self._count), sha256)

    def _note(self, name: str, member: Member, sha256: str) -> None:
        self.members[name] = member
        if sha256 and member["sha256"] != sha256:
            self.remarks[name] = f"changed since it was saved: {name}"
        else:
            self.remarks.pop(name, None)

    def _count(self, size: int) -> None:
        self.copied_bytes += size
        self._progress(self.copied_bytes)
