"""Make and verify scheduled backups, in a separate process that the ticker starts."""

import logging
import socket
import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone

from lumaweb.logs import redact
from lumaweb.storage_errors import storage_problem
from videos import mail
from videos.models import Backup, Member, StoragePolicy

from .archive import read_manifest
from .creating import create, create_beside_store
from .errors import BackupFailed, RestoreRefused
from .folder import BackupFolder
from .manifest import Member as StoredFile
from .media import named_media
from .retention import to_keep
from .store import Collector, MediaStore
from .verifying import Verification, verify

logger = logging.getLogger(__name__)

MARGIN = 256 * 1024**2  # bytes that a backup leaves free
PROGRESS_EVERY = 2.0  # seconds


def back_up(path: Path) -> Backup | None:
    """Make the requested or the scheduled backup, and record the result; return None if another process makes one."""
    folder = BackupFolder(path)
    try:
        folder.prepare(was_used=Backup.objects.kept().in_folder(path).exists())
    except (BackupFailed, OSError) as error:
        return _failed(Backup.objects.begin(), error)
    with folder.locked() as is_ours:
        if not is_ours:
            return None
        Backup.objects.fail_interrupted()
        _mail_failure()
        backup = Backup.objects.begin()
        try:
            folder.remove_unfinished()
            _write(folder, backup)
        except SystemExit:
            backup.fail("Lumaweb was stopped while it was made.")
            raise
        except Exception as error:
            return _failed(backup, error)
        try:
            remove_old(folder, StoragePolicy.current())
        except OSError as error:
            logger.warning("old backups cannot be deleted: %s", error)
        return backup


def verify_requested(path: Path) -> int:
    """Verify the backups for which an admin requested it, and return their number.

    A request that this machine cannot fulfil is dropped: the ticker would start this again at once.
    """
    present = []
    for backup in Backup.objects.kept().filter(verification_requested_at__isnull=False):
        if Path(backup.path).exists():
            present.append(backup)
        else:
            backup.drop_verification(f"its archive is not on {socket.gethostname()}")
    if not present:
        return 0
    with BackupFolder(path).locked() as is_ours:
        if not is_ours:
            return 0
        for backup in present:
            try:
                record_verification(backup)
            except OSError as error:
                backup.drop_verification(error.strerror or type(error).__name__)
        return len(present)


def record_verification(backup: Backup) -> Verification:
    """Verify one backup and record the result; a file that cannot be read is a problem of the backup.

    Damaged media are set aside: the next backup would otherwise count them as stored, and be as damaged. Raises OSError
    and records nothing if this machine does not have the archive, or no space to extract it.
    """
    archive = Path(backup.path)
    try:
        found = verify(archive)
    except OSError as error:
        if storage_problem(error) or not archive.exists():
            raise
        found = Verification(problems=[f"It could not be read: {error.strerror or error}."])
    store = MediaStore(archive.parent / "media")
    try:
        for sha256 in found.damaged:
            store.set_aside(sha256)
    except OSError as error:
        found.problems.append(f"Damaged media could not be renamed: {error.strerror or error}.")
    backup.record_verification(redact(found.summary))
    return found


def remove_old(folder: BackupFolder, policy: StoragePolicy) -> None:
    """Delete the archives that the policy does not keep, then the media that no archive needs. Raises OSError."""
    backups = {backup.pk: backup for backup in Backup.objects.kept().in_folder(folder.path)}
    moments = {pk: backup.finished_at or backup.requested_at for pk, backup in backups.items()}
    damaged = {pk for pk, backup in backups.items() if backup.verification_problem}
    keep = to_keep(moments, daily=policy.keep_daily, weekly=policy.keep_weekly, damaged=damaged)
    removed = [backup for pk, backup in backups.items() if pk not in keep or not Path(backup.path).exists()]
    for backup in removed:
        Path(backup.path).unlink(missing_ok=True)
        backup.mark_removed()
    if removed:
        _remove_unneeded_media(folder)


def _remove_unneeded_media(folder: BackupFolder) -> None:
    needed: set[str] = set()
    for archive in folder.archives():
        try:
            manifest = read_manifest(archive)
        except RestoreRefused as refusal:
            logger.warning("no media of old backups are deleted: %s: %s", archive.name, refusal)
            return
        needed.update(member["sha256"] for member in manifest.get("stored_media", {}).values())
    folder.store.remove_except(needed)


def _write(folder: BackupFolder, backup: Backup) -> None:
    """Write the archive, and the media that the store lacks; read the archive back. Raises BackupFailed, OSError."""
    target = folder.new_archive(timezone.now())
    if settings.BUCKET:
        # The vendor copies a bucket better than this machine could.
        _require_space(folder, 0)
        report, copied = create(target, with_keys=False, with_media=False), 0
    else:
        progress = Progress(backup)
        collector = Collector(folder.store, _known_media(folder), progress)
        progress.to_copy = _bytes_to_copy(collector)
        _require_space(folder, progress.to_copy)
        report = create_beside_store(target, collector)
        copied = collector.copied_bytes
    problem = verify(target, with_media=False, scratch=folder.path).summary
    if problem:
        target.unlink()
        raise BackupFailed(f"The backup was written, but it cannot be read back: {problem}")
    backup.succeed(
        path=str(target),
        remarks=report.remarks,
        generations=report.counts["generations"],
        members=report.counts["members"],
        archive_bytes=target.stat().st_size,
        media_files=report.counts["files"],
        media_bytes=report.counts["bytes"],
        copied_bytes=copied,
    )


class Progress:
    """Record in the row how much is copied, every few seconds."""

    def __init__(self, backup: Backup) -> None:
        self._backup, self._recorded = backup, 0.0
        self.to_copy = 0  # bytes

    def __call__(self, copied: int) -> None:
        if time.monotonic() - self._recorded > PROGRESS_EVERY:
            self._recorded = time.monotonic()
            self._backup.progress(copied, self.to_copy)


def _known_media(folder: BackupFolder) -> dict[str, StoredFile]:
    """Return the hashes of the files in the latest archive that can be read, by name."""
    for archive in reversed(folder.archives()):
        with suppress(RestoreRefused):
            return read_manifest(archive).get("stored_media", {})
    return {}


def _bytes_to_copy(collector: Collector) -> int:
    total = 0
    for file in named_media():
        if not collector.is_stored(*file):
            with suppress(FileNotFoundError):
                total += default_storage.size(file.name) if file.size is None else file.size
    return total


def _require_space(folder: BackupFolder, media_bytes: int) -> None:
    """Raise BackupFailed if the archive and the media would not fit."""
    needed, free = media_bytes + 2 * database_bytes(), folder.free_bytes()
    if free < needed + MARGIN:
        raise BackupFailed(
            f"The backup needs up to {filesizeformat(needed)} and leaves {filesizeformat(MARGIN)} free, but "
            f"{folder.path} has {filesizeformat(free)}. Free some space, or move it to a larger disk."
        )


def database_bytes() -> int:
    """Return the size of the database, in bytes."""
    if connection.vendor == "sqlite":
        path = Path(connection.settings_dict["NAME"])
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        (size,) = cursor.fetchone()
    return int(size)


def _failed(backup: Backup, error: Exception) -> Backup:
    """Record a failure, and mail the admins about the first one since the last success."""
    if isinstance(error, BackupFailed):
        reason = str(error)
    elif isinstance(error, OSError):
        reason = f"{error.strerror or type(error).__name__}: {error.filename or 'the backup folder'}"
    else:
        logger.error("the backup failed", exc_info=error)
        reason = f"{type(error).__name__}; the log has the details."
    backup.fail(redact(reason))
    logger.error("the backup failed: %s", backup.error)
    _mail_failure()
    return backup


def _mail_failure() -> None:
    """Mail the admins about the latest failure unless they were told about one since the last success."""
    failures = Backup.objects.failures()
    latest = failures.first()
    if latest is None or failures.filter(mailed_at__isnull=False).exists():
        return
    admins = Member.objects.filter(is_superuser=True, is_active=True).exclude(email="")
    context = {
        "backup": latest,
        "last_success": Backup.objects.succeeded().first(),
        "zone": settings.TIME_ZONE,
        "link": settings.SITE_URL + reverse("storage") if settings.CAN_MAIL_LINKS else "",
    }
    sent = [mail.send(admin.email, "backup_failed", context) for admin in admins]
    if any(sent):
        latest.mark_mailed()
