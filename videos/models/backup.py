"""Scheduled backups: one row for each run."""

from datetime import datetime
from pathlib import Path
from typing import Self

from django.db import models
from django.utils import timezone

from .audit import AuditEntry

REMARKS_AT_MOST = 20


class BackupState(models.TextChoices):
    REQUESTED = "requested"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class BackupQuerySet(models.QuerySet["Backup"]):
    def succeeded(self) -> Self:
        """Select complete backups, the latest first."""
        return self.filter(state=BackupState.DONE).order_by("-finished_at", "-pk")

    def kept(self) -> Self:
        """Select complete backups whose files were not deleted."""
        return self.succeeded().filter(removed_at__isnull=True)

    def ended(self) -> Self:
        """Select backups that succeeded or failed, the latest first."""
        return self.filter(state__in=[BackupState.DONE, BackupState.FAILED]).order_by("-finished_at", "-pk")

    def under_way(self) -> "Backup | None":
        return self.filter(state__in=[BackupState.REQUESTED, BackupState.RUNNING]).order_by("pk").first()

    def failures(self) -> Self:
        """Select the failures since the last success, the latest first."""
        last = self.succeeded().values_list("pk", flat=True).first()
        return self.filter(state=BackupState.FAILED, pk__gt=last or 0).order_by("-pk")

    def in_folder(self, folder: Path) -> Self:
        return self.filter(path__startswith=f"{folder}/")

    def begin(self) -> "Backup":
        """Return the oldest requested backup, or a new one, as running."""
        now = timezone.now()
        for backup in self.filter(state=BackupState.REQUESTED).order_by("pk"):
            if self.filter(pk=backup.pk, state=BackupState.REQUESTED).update(state=BackupState.RUNNING, started_at=now):
                backup.refresh_from_db()
                return backup
        return self.create(state=BackupState.RUNNING, started_at=now)

    def request(self, member: models.Model) -> bool:
        """Request a backup; return False if one is requested or running already."""
        if self.under_way():
            return False
        self.create(state=BackupState.REQUESTED, requested_by_id=member.pk)
        return True

    def forget_under_way(self) -> None:
        """Delete the requested and running backups: after a restore they are of the past."""
        self.filter(state__in=[BackupState.REQUESTED, BackupState.RUNNING]).delete()
        self.update(verification_requested_at=None)

    def fail_interrupted(self) -> None:
        """Fail the runs whose process has ended without a result; call it while no backup runs."""
        for backup in self.filter(state=BackupState.RUNNING):
            backup.fail("The process that made it ended before it was complete.")


class Backup(models.Model):
    """One run of the scheduled backup, and the archive that it wrote. Sizes are in bytes."""

    state = models.CharField(max_length=10, choices=BackupState, default=BackupState.REQUESTED)
    requested_by = models.ForeignKey(
        "videos.Member", null=True, on_delete=models.SET_NULL, related_name="+", help_text="Null: by the schedule."
    )
    requested_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    path = models.CharField(max_length=1000, blank=True, help_text="The archive, while it is kept.")
    error = models.CharField(max_length=500, blank=True)
    mailed_at = models.DateTimeField(null=True, help_text="When the admins were told about the failure.")
    remarks = models.TextField(blank=True, help_text="Files that are missing or changed, one a line.")
    remark_count = models.PositiveIntegerField(default=0)
    generations = models.PositiveIntegerField(default=0)
    members = models.PositiveIntegerField(default=0)
    archive_bytes = models.PositiveBigIntegerField(default=0)
    media_files = models.PositiveIntegerField(default=0)
    media_bytes = models.PositiveBigIntegerField(default=0, help_text="All media that it can restore.")
    copied_bytes = models.PositiveBigIntegerField(default=0, help_text="Media that earlier backups did not have.")
    to_copy_bytes = models.PositiveBigIntegerField(default=0)
    removed_at = models.DateTimeField(null=True, help_text="When its archive was deleted to keep the latest ones.")
    verification_requested_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    verification_problem = models.CharField(max_length=500, blank=True)

    objects = BackupQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["state", "-finished_at"], name="backup_latest")]

    def __str__(self) -> str:
        return f"{self.state}, {self.requested_at:%Y-%m-%d %H:%M}"

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def total_bytes(self) -> int:
        return self.archive_bytes + self.media_bytes

    @property
    def seconds(self) -> float | None:
        if not self.started_at or not self.finished_at:
            return None
        return max(0.0, (self.finished_at - self.started_at).total_seconds())

    @property
    def is_verifying(self) -> bool:
        return self.verification_requested_at is not None

    def succeed(self, *, path: str, remarks: list[str], **facts: int) -> None:
        """Record the archive; `facts` are the counts and sizes."""
        text = "\n".join(remarks[:REMARKS_AT_MOST])
        self._update(
            state=BackupState.DONE, finished_at=timezone.now(), path=path, remarks=text, remark_count=len(remarks),
            **facts,
        )  # fmt: skip

    def fail(self, error: str) -> None:
        self._update(state=BackupState.FAILED, finished_at=timezone.now(), error=error[:500])

    def progress(self, copied: int, to_copy: int) -> None:
        """Record how many bytes of the media are copied, of how many."""
        self._update(copied_bytes=copied, to_copy_bytes=to_copy)

    def mark_mailed(self) -> None:
        self._update(mailed_at=timezone.now())

    def mark_removed(self) -> None:
        self._update(removed_at=timezone.now(), verification_requested_at=None)

    def request_verification(self) -> bool:
        """Request a verification; return False if one is requested or the archive is gone."""
        kept = Backup.objects.kept().filter(pk=self.pk, verification_requested_at__isnull=True)
        return bool(kept.update(verification_requested_at=timezone.now()))

    def drop_verification(self, reason: str) -> None:
        """Drop the request for a verification that could not run: the backup may be whole. `reason`: a clause."""
        self._update(verification_requested_at=None)
        AuditEntry.objects.record(None, f"The backup {self.name} was not verified: {reason}.")

    def record_verification(self, problem: str, at: datetime | None = None) -> None:
        """Record the result of a verification; `problem` is "" if the backup is whole."""
        self._update(
            verified_at=at or timezone.now(), verification_problem=problem[:500], verification_requested_at=None
        )

    def _update(self, **values: object) -> None:
        Backup.objects.filter(pk=self.pk).update(**values)
        for name, value in values.items():
            setattr(self, name, value)
