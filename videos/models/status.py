"""How the installation is at this moment, in numbers that cost next to nothing at a million videos."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Count, Min

from .generation import Generation
from .heartbeat import Heartbeat
from .state import State, Unfinished
from .token import ApiToken, Health

# Workers are asked to stamp every 15 s; what is silent for longer than twice that is late, and soon killed.
HEARTBEAT_AT_MOST = timedelta(seconds=40)
CONDITIONS = ("ok", "limited", "used_up", "invalid", "unreadable", "paused")
ENDED = (State.COMPLETED, State.FAILED, State.CANCELED)


class Unsaved(models.Func):
    """Whether a video is at the provider only, in the very words of the index that holds these rows alone."""

    template = "%(expressions)s = 'remote'"
    output_field = models.BooleanField()


@dataclass(frozen=True, slots=True)
class Line:
    """What waits for something: how many, and since when the first of them (None: nothing waits)."""

    length: int
    since: datetime | None

    def age(self, now: datetime) -> float:
        """Seconds, 0 while nothing waits."""
        return max(0.0, (now - self.since).total_seconds()) if self.since else 0.0


def unfinished() -> dict[str, int]:
    """How many videos are in each state that is no end."""
    found = Generation.objects.filter(Unfinished("state")).order_by().values_list("state").annotate(Count("pk"))
    return {state: 0 for state in State if state not in ENDED} | dict(found)


def waiting() -> Line:
    """What waits to be sent."""
    return Line(
        *Generation.objects.waiting_to_submit().order_by().aggregate(n=Count("pk"), at=Min("created_at")).values()
    )


def held() -> int:
    return Generation.objects.held().count()


def unsaved() -> Line:
    """Finished videos that are at the provider only, where their links expire."""
    rows = Generation.objects.filter(Unsaved("archive")).order_by()
    return Line(*rows.aggregate(n=Count("pk"), at=Min("finished_at")).values())


def last_sign(cluster: str) -> datetime | None:
    """When a worker of this cluster last ran anything, on whatever machine."""
    return Heartbeat.objects.of(cluster).values_list("at", flat=True).first()


def machines(cluster: str, now: datetime) -> int:
    """On how many machines workers of this cluster are alive."""
    return Heartbeat.objects.of(cluster).filter(at__gt=now - HEARTBEAT_AT_MOST).count()


def condition_of(token: ApiToken, now: datetime) -> str:
    """One of CONDITIONS."""
    if not token.is_readable:
        return "unreadable"
    if not token.enabled:
        return "paused"
    # A rest that is over ends with the next video it is used for.
    return Health.OK if token.health == Health.LIMITED and not token.is_backing_off(now) else token.health
