"""Usage sums by day, kept by the ticker so that a report need not count every video.

Nothing here is written while videos are made. `videos.reports.rollup_pass` maintains the sums, and
`videos.reports.rollups` reads them. Why usage has neither counters nor triggers: docs/decisions/usage.md.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from .generation import Generation
from .state import State

# How far `changed_at` may lie behind its commit: the longest transaction plus the difference between clocks.
LOOK_BACK = timedelta(minutes=15)
BEGINNING = date(1970, 1, 1)

# The columns of a mark that covers no day, so that readers count the videos themselves.
COVERS_NOTHING: Mapping[str, Any] = {"since": None, "fingerprints": {}, "verified_from": None}

# The number of changed rows of a day, and the sum of their versions.
Fingerprint = list[int]


class RollUp(models.Model):
    """The number and amount of one day's videos in one state, for one member, API token or failure code.

    `by` names the dimension and `key` the value in it: a primary key ("" for none) or the provider's error code.
    The rows of SIMULATED count the simulated videos once more, by member.
    `amount` is in thousandths of a credit. `latest` is set for failures only: the primary key of the last one that is
    not in the trash.
    """

    class By(models.TextChoices):
        MEMBER = "member"
        TOKEN = "token"
        FAILURE = "failure"
        SIMULATED = "free"  # the column has room for seven characters

    day = models.DateField(help_text="In the time zone of the mark.")
    by = models.CharField(max_length=7, choices=By)
    key = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=12, choices=State)
    videos = models.PositiveIntegerField()
    amount = models.PositiveBigIntegerField()
    latest = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "by", "key", "state"], name="one_roll_up_for_a_key")]
        # Covers every read, in the order of its GROUP BY: no table access and no sort.
        indexes = [
            models.Index(fields=["by", "key", "state", "day", "videos", "amount", "latest"], name="roll_up_read"),
        ]

    def __str__(self) -> str:
        return f"{self.day}, {self.by} {self.key}: {self.videos} {self.state}"


class RollUpMark(models.Model):
    """The single row that says which days the roll-ups cover, and up to which change.

    since: the first day covered, with every later one; None before the first pass.
    at: the sums include every change made up to LOOK_BACK before this time.
    fingerprints: by day, that of later changes that the sums include too. A row's version grows with every change,
    so a day with the same fingerprint has not changed since it was counted.
    version: grows with every write, so that one of two concurrent passes gives up.
    """

    zone = models.CharField(max_length=64)
    since = models.DateField(null=True)
    at = models.DateTimeField()
    fingerprints = models.JSONField(default=dict, db_column="marks")
    version = models.PositiveBigIntegerField(default=0, db_column="number")
    verified_from = models.DateField(
        null=True,
        db_column="looked_through",
        help_text="The first day of the part that was last verified against the rows.",
    )

    def __str__(self) -> str:
        return f"Since {self.since}, as of {self.at:%Y-%m-%d %H:%M:%S}"

    @classmethod
    def current(cls) -> "RollUpMark | None":
        """Return the mark; None if it is of another time zone or its clock was far ahead, so its sums are useless."""
        row = cls.objects.filter(pk=1).first()
        zone = timezone.get_current_timezone_name()
        return row if row and row.zone == zone and row.start < timezone.now() else None

    @classmethod
    def start_over(cls) -> None:
        """Make readers count the videos themselves until the ticker has renewed every sum."""
        cls.objects.update(**COVERS_NOTHING, version=F("version") + 1)

    @property
    def start(self) -> datetime:
        """The time from which the sums may lack a change."""
        return self.at - LOOK_BACK

    def changed_days(self, since: date, until: date) -> list[date]:
        """Return the days from `since` to `until` (inclusive) whose sums are out of date."""
        # Uses the index on changed_at: few videos of a year have changed lately.
        rows = Generation.objects.filter(changed_at__gte=self.start)
        counted = (
            rows.annotate(day=TruncDate("created_at"))
            .order_by()
            .values_list("day")
            .annotate(Count("pk"), Sum("version"))
        )
        current = {day: numbers for day, *numbers in counted}
        return [day for day in self.days_unlike(current) if since <= day <= until]

    def days_unlike(self, current: Mapping[date, Fingerprint]) -> list[date]:
        """Return the days whose current fingerprint differs from the stored one, in order."""
        stored = {date.fromisoformat(day): numbers for day, numbers in self.fingerprints.items()}
        return sorted(day for day in current.keys() | stored.keys() if current.get(day) != stored.get(day))

    def write(self, **changes: Any) -> bool:
        """Set these fields; return False if another pass has written since this row was read."""
        unchanged = type(self).objects.filter(pk=1, version=self.version)
        written = bool(unchanged.update(version=F("version") + 1, **changes))
        if written:
            self.version += 1
            for name, value in changes.items():
                setattr(self, name, value)
        return written

    def replace(self, first: date, end: date | None, sums: Iterable[RollUp], **changes: Any) -> bool:
        """Replace the sums of the days from `first` up to but excluding `end`; return False if another pass was faster.

        `changes` are set on the mark in the same transaction.
        """
        days = Q(day__gte=first)
        if end:
            days &= Q(day__lt=end)
        with transaction.atomic():
            written = self.write(**changes)
            if written:
                RollUp.objects.filter(days).delete()
                RollUp.objects.bulk_create(sums, batch_size=500)
        return written
