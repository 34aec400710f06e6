"""Check of the scheduled backups."""

from collections.abc import Iterator

from django.utils import timezone

from lumaweb.ops.backup.folder import folder_state
from lumaweb.ops.backup.schedule import LastResult, last_result

from .findings import Finding, fail, ok, skip, warn
from .installation import STORAGE_PAGE


def backups() -> Iterator[Finding]:
    """Check the age and the result of the last scheduled backup."""
    last = last_result()
    if last is None:
        yield skip("No backups are scheduled: set LUMAWEB_BACKUP_DIR to a folder on another disk.")
        return
    problems = [*_problems(last), *_folder_problems(last.folder)]
    yield from problems
    if not problems:
        at = f"{timezone.localtime(last.succeeded_at):%Y-%m-%d at %H:%M}" if last.succeeded_at else ""
        yield ok(f"The last backup was made on {at}." if at else "The first backup has not been made yet.")


def _problems(last: LastResult) -> Iterator[Finding]:
    at = last.succeeded_at and timezone.localtime(last.succeeded_at)
    made = f"The last one is of {at:%Y-%m-%d}" if at else "None exists"
    reason = f" The latest attempt failed: {last.error.rstrip('.')}." if last.error else ""
    if last.is_overdue:
        yield fail(
            "backup-old",
            "The last backup is too old",
            f"{made}, although one is made each day.{reason}",
            "Correct the cause, then make a backup now. If none was attempted, see whether the ticker runs.",
            STORAGE_PAGE,
        )
    elif last.error:
        yield warn(
            "backup-failed",
            "The latest backup failed",
            f"{made}.{reason}",
            "Lumaweb tries again each hour. Correct the cause, or make a backup now to see whether it is gone.",
            STORAGE_PAGE,
        )
    if last.verification_problem:
        yield fail(
            "backup-damaged",
            "The last backup is damaged",
            f"Its verification failed: {last.verification_problem}",
            "Make a new backup now, and check the disk of the backups.",
            STORAGE_PAGE,
        )
    if last.remarks:
        yield warn(
            "backup-incomplete",
            "The last backup lacks files",
            f"{last.remarks} files are missing, or changed since they were saved.",
            "Run manage.py verify_media; with --repair it downloads again what the provider still has.",
            STORAGE_PAGE,
        )


def _folder_problems(folder: str) -> Iterator[Finding]:
    state = folder_state()
    if state.problem:
        yield fail(
            "backup-folder",
            "The backup folder cannot be read",
            f"{folder} cannot be read: {state.problem}. No backup can be made.",
            "Check the disk or the network share that it is on.",
            STORAGE_PAGE,
        )
    if state.shares_disk:
        yield warn(
            "backup-same-disk",
            "Backups are on the same disk as the data",
            f"A broken disk would take both: {folder} and the data directory.",
            "Set LUMAWEB_BACKUP_DIR to a folder on another disk, or copy the folder elsewhere each day.",
            STORAGE_PAGE,
        )
