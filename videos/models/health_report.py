import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q

from .database_clock import database_now

# A run that takes longer has ended with its process.
RUN_AT_MOST = timedelta(seconds=90)


class HealthReportManager(models.Manager["HealthReport"]):
    def current(self) -> "HealthReport":
        """Return the report of this installation, which is empty before the first run."""
        return self.first() or HealthReport()

    def begin(self, checks: int) -> uuid.UUID | None:
        """Begin a run of this many checks; return its id, or None while another run is going on anywhere."""
        self.get_or_create(pk=HealthReport.ONLY)
        now, run = database_now(), uuid.uuid4()
        idle = Q(run=None) | Q(started_at__lt=now - RUN_AT_MOST) | Q(started_at__gt=now + RUN_AT_MOST)
        begun = self.filter(idle, pk=HealthReport.ONLY).update(run=run, started_at=now, done=0, checks=checks)
        return run if begun else None

    def progress(self, run: uuid.UUID, done: int) -> None:
        self.filter(run=run).update(done=done)

    def finish(self, run: uuid.UUID, findings: list[dict[str, Any]]) -> None:
        """Store the findings of a run, unless a later one has begun."""
        self.filter(run=run).update(run=None, finished_at=database_now(), findings=findings)


class HealthReport(models.Model):
    """What the last run of the doctor found, for all admins. There is one row."""

    ONLY = 1

    run = models.UUIDField(null=True, help_text="The run that is going on.")
    started_at = models.DateTimeField(null=True)
    checks = models.PositiveSmallIntegerField(default=0, help_text="How many checks the run has.")
    done = models.PositiveSmallIntegerField(default=0, help_text="How many of them are done.")
    finished_at = models.DateTimeField(null=True, help_text="When the findings were stored.")
    findings = models.JSONField(default=list, help_text="Without secrets; the keys are those of lumaweb.ops.doctor.")

    objects = HealthReportManager()

    def __str__(self) -> str:
        return f"health at {self.finished_at}"

    def is_running(self, now: datetime) -> bool:
        """Tell whether a run is going on; `now` is the database's time."""
        return bool(self.run and self.started_at and now - self.started_at < RUN_AT_MOST)

    @property
    def problems(self) -> int:
        """The number of failures and warnings."""
        return sum(finding["level"] in ("fail", "warn") for finding in self.findings)
