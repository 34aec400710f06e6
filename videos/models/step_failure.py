from datetime import timedelta

from django.db import models
from django.utils import timezone

# A step that failed this long ago and was not seen since belongs to a ticker that is gone.
SHOWN_FOR = timedelta(minutes=5)


class StepFailureQuerySet(models.QuerySet):
    def note(self, name: str, error: BaseException) -> None:
        """Note that a step fails now; the time of its first failure stays."""
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
        """Note that a step works."""
        self.filter(name=name).delete()

    def current(self) -> "StepFailureQuerySet":
        """The steps that fail at present, by name."""
        return self.filter(at__gt=timezone.now() - SHOWN_FOR).order_by("name")


class StepFailure(models.Model):
    """A step of the ticker that fails. The error's words are in the log only: they may hold anything."""

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
