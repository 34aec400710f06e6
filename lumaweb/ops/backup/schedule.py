"""When backups are made: the ticker starts a process for each, so that a long one delays nothing else."""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from lumaweb.deadline import SingleFlight
from videos.models import Backup, BackupState, StoragePolicy

from .folder import TIMEOUT, BackupFolder

RETRY_AFTER = timedelta(hours=1)
STOP_TIMEOUT = 10.0  # seconds
# A day, and the time that a retry and a large backup take.
OVERDUE_AFTER = timedelta(hours=36)


class BackupSchedule:
    """A step of the ticker: start the backup or the verification that is due, and notice how it ends."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = timezone.now()
        self._is_verification = False
        # A network share whose server is down can block forever, and the ticker has other work.
        self._lock_check = SingleFlight(_is_locked)

    def run(self) -> None:
        """Start what is due. Raises TimedOut while the folder of the backups does not answer."""
        if settings.BACKUP_DIR is None or (self._process and self._process.poll() is None):
            return
        if self._process and self._process.returncode:
            self._note_end(self._process.returncode)
        self._process = None
        # An admin may have started one by hand.
        if self._lock_check.result(TIMEOUT):
            return
        Backup.objects.fail_interrupted()
        if is_due(timezone.now()):
            self._start("backup")
        elif Backup.objects.filter(verification_requested_at__isnull=False).exists():
            self._start("verify_backup", "--requested")

    def stop(self) -> None:
        """End the process that runs; it cleans up, and the next one repeats the work."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _note_end(self, status: int) -> None:
        """Record the failure of a process that could not record it, so that it is not started again at once."""
        reason = f"process ended with status {status}; the log of the ticker says why"
        if self._is_verification:
            for backup in Backup.objects.filter(verification_requested_at__isnull=False):
                backup.drop_verification(f"its {reason}")
        elif not Backup.objects.filter(finished_at__gte=self._started_at).exists():
            Backup.objects.fail_interrupted()
            if is_due(timezone.now()):
                Backup.objects.begin().fail(f"Its {reason}.")

    def _start(self, *words: str) -> None:
        self._started_at, self._is_verification = timezone.now(), words[0] == "verify_backup"
        # In the ticker's process group, so that it does not outlive the installation.
        self._process = subprocess.Popen(
            ["nice", sys.executable, str(settings.BASE_DIR / "manage.py"), *words],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"LUMAWEB_DATA_DIR": str(settings.DATA_DIR)},
        )


def _is_locked() -> bool:
    return settings.BACKUP_DIR is not None and BackupFolder(settings.BACKUP_DIR).is_locked()


def is_due(now: datetime) -> bool:
    """Return whether a backup is requested, or the scheduled one was not made yet and did not just fail."""
    if Backup.objects.filter(state=BackupState.REQUESTED).exists():
        return True
    since = scheduled_before(now, StoragePolicy.current())
    if Backup.objects.succeeded().filter(started_at__gte=since).exists():
        return False
    return not Backup.objects.filter(state=BackupState.FAILED, finished_at__range=(now - RETRY_AFTER, now)).exists()


def scheduled_before(now: datetime, policy: StoragePolicy) -> datetime:
    """Return the latest scheduled moment that is not after `now`."""
    today = timezone.localtime(now).date()
    at = _on(today, policy)
    return at if at <= now else _on(today - timedelta(days=1), policy)


def next_scheduled(now: datetime, policy: StoragePolicy) -> datetime:
    today = timezone.localtime(now).date()
    at = _on(today, policy)
    return at if at > now else _on(today + timedelta(days=1), policy)


def _on(day: date, policy: StoragePolicy) -> datetime:
    return timezone.make_aware(datetime.combine(day, policy.backup_at))


@dataclass(frozen=True, slots=True)
class LastResult:
    """How the scheduled backups are doing. Times are None and texts "" if there is nothing to say."""

    folder: str
    succeeded_at: datetime | None
    is_overdue: bool
    failures: int  # since the last success
    error: str  # of the latest run, if it failed
    remarks: int  # files that are missing in the latest backup, or that changed since they were saved
    verification_problem: str
    archive_bytes: int
    media_bytes: int
    seconds: float | None


def last_result() -> LastResult | None:
    """Return the last result of the scheduled backups; None if LUMAWEB_BACKUP_DIR is not set."""
    if settings.BACKUP_DIR is None:
        return None
    now = timezone.now()
    success = Backup.objects.succeeded().first()
    failures = Backup.objects.failures()
    latest_failure = failures.first()
    at = success.finished_at if success else None
    # Before the first backup, an installation is given the same time.
    first = Backup.objects.order_by("pk").values_list("requested_at", flat=True).first()
    since = at or first
    return LastResult(
        folder=str(settings.BACKUP_DIR),
        succeeded_at=at,
        is_overdue=since is not None and now - since > OVERDUE_AFTER,
        failures=failures.count(),
        error=latest_failure.error if latest_failure else "",
        remarks=success.remark_count if success else 0,
        verification_problem=success.verification_problem if success else "",
        archive_bytes=success.archive_bytes if success else 0,
        media_bytes=success.media_bytes if success else 0,
        seconds=success.seconds if success else None,
    )
