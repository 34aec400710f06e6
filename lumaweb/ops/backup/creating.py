"""Create an archive."""

import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from lumaweb.durability import sync_folder
from videos.models import Generation, Member

from . import postgresql, sqlite
from .archive import KEYS, MANIFEST, MEDIA, POSTGRESQL, SQLITE, ArchiveWriter
from .errors import BackupFailed
from .manifest import PLAIN_FORMAT, PRODUCT, STORED_FORMAT, Manifest, Report
from .media import max_named_files, named_media
from .store import Collector

UNFINISHED = ".lumaweb-backup-"  # prefix of the temporary folder
MAX_FILES = 2_500_000  # with about 180 bytes each in the manifest


def create(target: Path, *, with_keys: bool, with_media: bool = True) -> Report:
    """Write an archive, also while Lumaweb runs. Raises BackupFailed, OSError.

    The file appears under its name only when it is complete, with mode 0600.
    """
    _check(target, with_media)
    with (
        _unfinished(target) as unfinished,
        _snapshot(unfinished.parent) as snapshot,
        tarfile.open(unfinished, "x") as tar,
    ):
        return _write(ArchiveWriter(tar), snapshot, with_keys=with_keys, with_media=with_media)


def create_beside_store(target: Path, collector: Collector) -> Report:
    """Write an archive of the database that names the media in the store, without keys. Raises BackupFailed, OSError.

    The media are copied before and after the snapshot, as PostgreSQL cannot clean up its tables during one.
    """
    _check(target, with_media=True)
    for file in named_media():
        collector.collect(*file)
    with _unfinished(target) as unfinished:
        with _snapshot(unfinished.parent) as snapshot:
            report = _report(with_keys=False, with_media=True)
            named = list(named_media())
            migrations = _applied_migrations()
        for file in named:
            collector.collect(*file)
        stored = {file.name: collector.members[file.name] for file in named if file.name in collector.members}
        report.remarks = [collector.remarks[file.name] for file in named if file.name in collector.remarks]
        report.counts |= {"files": len(stored), "bytes": sum(member["size"] for member in stored.values())}
        with tarfile.open(unfinished, "x") as tar:
            archive = ArchiveWriter(tar)
            archive.add_file(snapshot, snapshot.name)
            manifest = _manifest(archive, report, migrations)
            archive.add_bytes(
                json.dumps(manifest | {"format": STORED_FORMAT, "stored_media": stored}).encode(), MANIFEST
            )
    return report


def _check(target: Path, with_media: bool) -> None:
    """Raise BackupFailed if a backup cannot be written, or could not be restored."""
    if target.exists():
        raise BackupFailed(f"{target} exists already. Name another file, or a folder to have the file named by date.")
    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        raise BackupFailed(f"There is no database at {connection.settings_dict['NAME']} yet.")
    if with_media:
        _check_file_count()


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """Yield the path of an archive to write, and rename it to the target after the block."""
    # Beside the target, as it needs the space there anyway. The folder has mode 0700.
    with TemporaryDirectory(prefix=UNFINISHED, dir=target.parent) as folder:
        unfinished = Path(folder, "archive.tar")
        yield unfinished
        unfinished.chmod(0o600)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.rename(target)
        sync_folder(target.parent)


def _check_file_count() -> None:
    """Raise BackupFailed if a restore would refuse the manifest for its size: now, not after days of writing."""
    files = max_named_files()
    if files > MAX_FILES:
        raise BackupFailed(
            f"There are {files:,} files, more than one archive can hold ({MAX_FILES:,}). Use --without-media, and back "
            "up the media folder or the bucket separately."
        )


@contextmanager
def _snapshot(folder: Path) -> Iterator[Path]:
    """Write the database as it is at one moment into a file; within the block the ORM reads that moment."""
    if connection.vendor == "sqlite":
        path = folder / SQLITE
        sqlite.copy(path)
        with sqlite.database_at(path):
            yield path
    else:
        path = folder / POSTGRESQL
        with postgresql.dump(path):
            yield path


def _write(archive: ArchiveWriter, snapshot: Path, *, with_keys: bool, with_media: bool) -> Report:
    report = _report(with_keys=with_keys, with_media=with_media)
    archive.add_file(snapshot, snapshot.name)
    if with_keys:
        keys = {"secret-key": settings.SECRET_KEY, "encryption-keys": ",".join(settings.ENCRYPTION_KEYS)}
        for member, file_name in KEYS.items():
            archive.add_bytes(keys[file_name].encode(), member)
    # The files are read after the snapshot: those it names existed then, but may have been deleted since.
    for file in named_media() if with_media else ():
        _add_media(archive, file.name, file.sha256, report)
    manifest = _manifest(archive, report, _applied_migrations())
    archive.add_bytes(json.dumps(manifest, indent=1).encode(), MANIFEST)
    return report


def _report(*, with_keys: bool, with_media: bool) -> Report:
    counts = {"members": Member.objects.count(), "generations": Generation.objects.count(), "files": 0, "bytes": 0}
    return Report(counts, with_keys=with_keys, with_media=with_media)


def _manifest(archive: ArchiveWriter, report: Report, migrations: list[str]) -> Manifest:
    return {
        "format": PLAIN_FORMAT,
        "product": PRODUCT,
        "created_at": timezone.now().isoformat(),
        "database": connection.vendor,
        "migrations": migrations,
        "with_keys": report.with_keys,
        "with_media": report.with_media,
        "counts": report.counts,
        "remarks": report.remarks,
        "members": archive.members,
    }


def _add_media(archive: ArchiveWriter, name: str, sha256: str, report: Report) -> None:
    """Add a file, or a remark about the file that is missing."""
    member = f"media/{name}"
    if member in archive.members:
        return
    if not MEDIA.fullmatch(member):
        report.remarks.append(f"left out, because a restore would refuse its name: {name}")
        return
    try:
        file = default_storage.open(name, "rb")
    except FileNotFoundError:
        report.remarks.append(f"missing: {name}")
        return
    with file:
        added = archive.add(file, file.size, member)
    report.counts["files"] += 1
    report.counts["bytes"] += added["size"]
    if sha256 and added["sha256"] != sha256:
        report.remarks.append(f"changed since it was saved: {name}")


def _applied_migrations() -> list[str]:
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())
