"""What the storage page shows."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from lumaweb.ops.backup.folder import FolderState, folder_state
from lumaweb.ops.backup.schedule import last_result, next_scheduled
from lumaweb.ops.backup.scheduled import database_bytes
from lumaweb.ops.storage_use import MediaUse
from videos.models import Backup, BackupState, Generation, StoragePolicy

LARGEST = 5
BAR_WIDTH = 1000  # units of the picture's own
LOW_FREE = 10 * 1024**3


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the disk. `where`: if it is elsewhere, where; x, width: its place in the bar."""

    kind: str
    label: str
    bytes: int
    where: str = ""
    x: float = 0
    width: float = 0


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the data directory, and what takes its space. Sizes in bytes."""

    path: Path
    total: int
    free: int
    parts: list[Part]

    @property
    def used(self) -> int:
        return self.total - self.free

    @property
    def is_low(self) -> bool:
        return self.free < LOW_FREE

    @classmethod
    def now(cls, use: MediaUse, backup_folder: FolderState | None) -> "Disk":
        usage = shutil.disk_usage(settings.DATA_DIR)
        media = "in the bucket" if settings.BUCKET else ""
        database = "in PostgreSQL" if settings.DATABASE_URL else ""
        parts = [
            Part("videos", "Videos", use.videos.shown_bytes, media),
            Part("frames", "Frames", use.frames_bytes, media),
            Part("trash", "Trash", use.videos.trashed_bytes, media),
            Part("database", "Database", database_bytes(), database),
        ]
        if backup_folder:
            where = "" if backup_folder.shares_disk else "elsewhere"
            parts.append(Part("backups", "Backups", _backup_bytes(), where))
        known = sum(part.bytes for part in parts if not part.where)
        parts += [
            Part("other", "Other", max(0, usage.total - usage.free - known)),
            Part("free", "Free", usage.free),
        ]
        return cls(settings.DATA_DIR, usage.total, usage.free, _placed(parts))


def _backup_bytes() -> int:
    kept = list(Backup.objects.kept())
    return sum(backup.archive_bytes for backup in kept) + max((backup.media_bytes for backup in kept), default=0)


def _placed(parts: list[Part]) -> list[Part]:
    """Give the parts on this disk their places in the bar."""
    total = sum(part.bytes for part in parts if not part.where) or 1
    placed, x = [], 0.0
    for part in parts:
        width = 0.0 if part.where else BAR_WIDTH * part.bytes / total
        placed.append(Part(part.kind, part.label, part.bytes, part.where, round(x, 2), round(width, 2)))
        x += width
    return placed


def storage_context() -> dict[str, Any]:
    """Return the context of the page: what takes space, the policy, and the backups."""
    use, policy, now = MediaUse.now(), StoragePolicy.current(), timezone.now()
    backup_folder = None if settings.BACKUP_DIR is None else folder_state()
    return {
        "use": use,
        "disk": Disk.now(use, backup_folder),
        "quota_share": min(100, round(100 * use.total_bytes / use.quota_bytes)) if use.quota_bytes else None,
        "largest": Generation.objects.largest().select_related("member")[:LARGEST],
        "policy": policy,
        "time_zone": settings.TIME_ZONE,
        "in_bucket": bool(settings.BUCKET),
        "last": last_result(),
        "backup_folder": backup_folder,
        "next_backup": next_scheduled(now, policy),
        "under_way": Backup.objects.under_way(),
        "latest_failure": Backup.objects.failures().first(),
        "backups": _listed(backup_folder),
    }


def _listed(folder: FolderState | None) -> list[tuple[Backup, bool]]:
    """List the backups that are kept, the latest first, each with whether this machine has its archive."""
    if settings.BACKUP_DIR is None or folder is None:
        return []
    kept = Backup.objects.kept().in_folder(settings.BACKUP_DIR).select_related("requested_by")
    return [(backup, backup.name in folder.archives) for backup in kept]


def progress_of(backup: Backup | None) -> int | None:
    """Return how much of the media is copied, in percent; None while it is not known."""
    if backup is None or backup.state != BackupState.RUNNING or not backup.to_copy_bytes:
        return None
    return min(100, 100 * backup.copied_bytes // backup.to_copy_bytes)
