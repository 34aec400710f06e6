from datetime import timedelta
from typing import Self

from django.db import models
from django.utils import timezone

# An older failure was reported by a ticker that no longer runs.
SHOWN_FOR = timedelta(minutes=5)


class StepFailureQuerySet(models.QuerySet["StepFailure"]):
    def note(self, name: str, error: BaseException) -> None:
        """Record that a step fails; keep the time of its first failure."""
        now, kind = timezone.now(), type(error).__name__[:100]
        self.update_or_create(
            name=name,
            defaults={"at": now, "error": kind},
            create_defaults={
                "since": now,
                "at": now,
                "error": kind,
            },
        )

    def clear(self, name: str) -> None:
        """Record that a step works."""
        self.filter(name=name).delete()

    def current(self) -> Self:
        """Select the steps that are failing now, by name."""
        return self.filter(at__gt=timezone.now() - SHOWN_FOR).order_by("name")


class StepFailure(models.Model):
    """A failing step of the ticker. The error's message is only in the log, as it may contain secrets."""

    name = models.CharField(max_length=50, primary_key=True)
    error = models.CharField(max_length=100, help_text="The name of the exception's class.")
    since = models.DateTimeField()
    at = models.DateTimeField()

    objects = StepFailureQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name}: {self.error}"

    @property
    def words(self) -> str:
        return f"Fails since {self.since:%Y-%m-%d %H:%M} UTC: {self.error}."
