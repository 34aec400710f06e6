"""The current status of the installation, in queries that stay fast at a million videos."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Count, Min

from .generation import Generation
from .heartbeat import Heartbeat
from .state import State, Unfinished
from .token import ApiToken, Health

# Workers are asked for a heartbeat every 15 s; one that misses two is late, and will be killed soon.
HEARTBEAT_AT_MOST = timedelta(seconds=40)
CONDITIONS = ("ok", "limited", "used_up", "invalid", "unreadable", "paused")
ENDED = (State.COMPLETED, State.FAILED, State.CANCELED)


class Unsaved(models.Func):
    """Match videos at the provider only, in exactly the words of the partial index on them."""

    template = "%(expressions)s = 'remote'"
    output_field = models.BooleanField()


@dataclass(frozen=True, slots=True)
class Line:
    """A queue: its length, and since when its first entry waits (None if it is empty)."""

    length: int
    since: datetime | None

    def age(self, now: datetime) -> float:
        """Return the age of the first entry in seconds, 0 for an empty queue."""
        return max(0.0, (now - self.since).total_seconds()) if self.since else 0.0


def unfinished() -> dict[str, int]:
    """Count the videos in each state that is not final."""
    found = Generation.objects.filter(Unfinished("state")).order_by().values_list("state").annotate(Count("pk"))
    return {state.value: 0 for state in State if state not in ENDED} | dict(found)


def waiting() -> Line:
    """Return the queue of videos to submit."""
    return Line(
        *Generation.objects.waiting_to_submit().order_by().aggregate(n=Count("pk"), at=Min("created_at")).values()
    )


def held() -> int:
    return Generation.objects.held().count()


def unsaved() -> Line:
    """Return the queue of finished videos to save, whose links at the provider expire."""
    rows = Generation.objects.filter(Unsaved("archive")).order_by()
    return Line(*rows.aggregate(n=Count("pk"), at=Min("finished_at")).values())


def last_sign(cluster: str) -> datetime | None:
    """Return when a worker of this cluster last ran code, on any machine."""
    return Heartbeat.objects.of_cluster(cluster).values_list("at", flat=True).first()


def machines(cluster: str, now: datetime) -> int:
    """Count the machines on which workers of this cluster are alive."""
    return Heartbeat.objects.of_cluster(cluster).filter(at__gt=now - HEARTBEAT_AT_MOST).count()


def condition_of(token: ApiToken, now: datetime) -> str:
    """Return one of CONDITIONS."""
    if not token.is_readable:
        return "unreadable"
    if not token.enabled:
        return "paused"
    # The next video it sends ends a pause that is over.
    return Health.OK if token.health == Health.LIMITED and not token.is_backing_off(now) else token.health
