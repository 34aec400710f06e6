from datetime import datetime, time, timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

TRASH_DAYS = 30
REJECTED_EVERY = timedelta(hours=1)


class StoragePolicy(models.Model):
    """How long videos are kept and when backups are made, which admins set. There is one row."""

    trash_days = models.PositiveSmallIntegerField(
        default=TRASH_DAYS, validators=[MinValueValidator(1), MaxValueValidator(3650)]
    )
    quota_bytes = models.PositiveBigIntegerField(
        null=True, help_text="Of videos and frames. Beyond it admins see a warning; videos are saved all the same."
    )
    rejected_days = models.PositiveSmallIntegerField(
        null=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text="Days after which a rejected video moves to the trash; null: never.",
    )
    rejected_checked_at = models.DateTimeField(null=True, editable=False)
    backup_at = models.TimeField(default=time(3), help_text="In the team's time zone.")
    keep_daily = models.PositiveSmallIntegerField(
        default=7, validators=[MinValueValidator(1), MaxValueValidator(366)], help_text="Days with a backup to keep."
    )
    keep_weekly = models.PositiveSmallIntegerField(
        default=4, validators=[MaxValueValidator(260)], help_text="Weeks with a backup to keep."
    )

    def __str__(self) -> str:
        return f"{self.trash_days} days in the trash"

    @classmethod
    def current(cls) -> "StoragePolicy":
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    @property
    def kept_in_trash(self) -> timedelta:
        return timedelta(days=self.trash_days)

    def rejected_before(self, now: datetime | None = None) -> datetime | None:
        """Return the moment before which a rejected video must have been rejected to move to the trash."""
        return (now or timezone.now()) - timedelta(days=self.rejected_days) if self.rejected_days else None

    @classmethod
    def check_rejected_again(cls) -> None:
        """Make the next check due at once: there are more videos than one check moves."""
        cls.objects.filter(pk=1).update(rejected_checked_at=None)

    @classmethod
    def begin_rejected_check(cls) -> "StoragePolicy | None":
        """Return the policy if a check for rejected videos is due, at most once an hour; else None."""
        now = timezone.now()
        due = Q(rejected_checked_at__isnull=True) | ~Q(rejected_checked_at__range=(now - REJECTED_EVERY, now))
        begun = cls.objects.filter(due, pk=1, rejected_days__isnull=False).update(rejected_checked_at=now)
        return cls.current() if begun else None
