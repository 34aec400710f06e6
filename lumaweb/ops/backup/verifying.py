"""Verify a backup: read every file that it consists of, and open the database."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings

from lumaweb.ops.migration_state import known_migrations

from . import postgresql
from .archive import CHUNK_SIZE, POSTGRESQL, SQLITE, HashingReader, read_manifest, unpack
from .creating import UNFINISHED
from .errors import BackupFailed, RestoreRefused
from .manifest import Manifest
from .store import MediaStore


@dataclass
class Verification:
    """The result: what was read, and what is wrong with it, in sentences for the admin.

    damaged: the hashes of stored media whose content is another one.
    """

    files: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """Return the first problem and how many more there are; "" if there is none."""
        if not self.problems:
            return ""
        more = len(self.problems) - 1
        return self.problems[0] + (f" And {more} more problem{'s' if more > 1 else ''}." if more else "")


def verify(
    archive: Path, *, store: Path | None = None, with_media: bool = True, scratch: Path | None = None
) -> Verification:
    """Compare all files with their hashes, open the database, and check that this version knows its migrations.

    store: the folder of a scheduled backup's media; by default `media` beside the archive. scratch: where to extract
    the archive for a while; by default the data directory. Changes nothing. Raises OSError.
    """
    found = Verification()
    try:
        manifest = read_manifest(archive)
        with TemporaryDirectory(prefix=UNFINISHED, dir=scratch or settings.DATA_DIR) as folder:
            unpack(archive, manifest, Path(folder))
            found.problems += _database_problems(Path(folder), manifest)
    except RestoreRefused as refusal:
        found.problems.append(str(refusal))
        return found
    found.files += len(manifest["members"])
    found.bytes += sum(member["size"] for member in manifest["members"].values())
    if with_media:
        _verify_store(MediaStore(store or archive.parent / "media"), manifest, found)
    return found


def _verify_store(store: MediaStore, manifest: Manifest, found: Verification) -> None:
    """Hash each stored file once, also if several names have the same content."""
    by_hash = {member["sha256"]: (name, member["size"]) for name, member in manifest.get("stored_media", {}).items()}
    for sha256, (name, size) in by_hash.items():
        try:
            with store.path(sha256).open("rb") as file:
                reader = HashingReader(file)
                while reader.read(CHUNK_SIZE):
                    pass
        except FileNotFoundError:
            found.problems.append(f"{name} is missing in the store: {sha256}.")
            continue
        if reader.sha256.hexdigest() != sha256:
            found.problems.append(f"{name} was changed or damaged in the store: {sha256}.")
            found.damaged.append(sha256)
            continue
        found.files += 1
        found.bytes += size


def _database_problems(folder: Path, manifest: Manifest) -> Iterator[str]:
    if (folder / SQLITE).exists():
        yield from _sqlite_problems(folder / SQLITE)
    elif (folder / POSTGRESQL).exists():
        try:
            postgresql.list_contents(folder / POSTGRESQL)
        except BackupFailed as error:
            yield f"The database cannot be opened: {error}"
    else:
        yield "The archive holds no database."
    known = {f"{app}.{name}" for app, name in known_migrations()}
    apps = {name.partition(".")[0] for name in known}
    if newer := [name for name in manifest["migrations"] if name not in known and name.partition(".")[0] in apps]:
        yield f"It was made by a newer Lumaweb ({newer[-1]}), so this version cannot restore it."


def _sqlite_problems(path: Path) -> Iterator[str]:
    try:
        with closing(sqlite3.connect(path)) as database:
            (result,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            if result != "ok":
                yield f"The database is damaged: {result}."
            database.execute("SELECT count(*) FROM videos_generation").fetchone()
    except sqlite3.DatabaseError as error:
        yield f"The database cannot be opened: {error}."
