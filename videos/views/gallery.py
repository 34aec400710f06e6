"""The gallery as a page and as what changed since."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from ..models import Generation, State
from ..models.state import LONGEST_TRANSACTION

PAGE = 48
# Changes told in one poll, and kept in mind between two: "1234567:12" each, in a request line of 4,000 bytes.
MOST_CHANGES = 150
WINDOW = 5000


@dataclass
class Day:
    """The cards of one day, newest first."""

    date: date
    generations: list[Generation] = field(default_factory=list)

    @property
    def label(self) -> str:
        today = timezone.localdate()
        if self.date == today:
            return "Today"
        if self.date == today - timedelta(days=1):
            return "Yesterday"
        return date_format(self.date, "l j F" if self.date.year == today.year else "j F Y")


def in_days(generations: Iterable[Generation]) -> list[Day]:
    """Group rows that are in order of creation by the team's calendar day."""
    days: list[Day] = []
    for generation in generations:
        day = timezone.localdate(generation.created_at)
        if not days or days[-1].date != day:
            days.append(Day(day))
        days[-1].generations.append(generation)
    return days


def whole(text: str | None, default: int = 0) -> int:
    """A number from the query string; what is none, or no primary key, counts as `default`."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else default


def page_of(request: HttpRequest) -> dict:
    """One page of the gallery by its cursor, `before` (a primary key), and where the older ones are."""
    rows = Generation.objects.for_gallery()
    before = whole(request.GET.get("before"))
    if before:
        rows = rows.filter(pk__lt=before)
    generations = list(rows[: PAGE + 1])
    older = len(generations) > PAGE
    generations = generations[:PAGE]
    return {
        "days": in_days(generations),
        "previous_url": reverse("studio") if before else "",
        "next_cursor_url": f"{reverse('studio')}?before={generations[-1].pk}" if older else "",
        "is_first_page": not before,
        "empty_installation": not before and not generations,
        "usual": usual_seconds(),
        "live": Since.now(generations).state(),
    }


def usual_seconds() -> dict[str, int | None]:
    """How long the latest generations and extensions took from acceptance to the end: medians in whole seconds."""
    usual = cache.get("usual-seconds")
    if usual is None:
        took: dict[str, list[float]] = {"generate": [], "extend": []}
        recent = Generation.objects.filter(state=State.COMPLETED, accepted_at__isnull=False).order_by("-pk")
        for action, accepted, finished in recent.values_list("action", "accepted_at", "finished_at")[:40]:
            took.setdefault(action, []).append((finished - accepted).total_seconds())
        usual = {action: round(median(times)) if times else None for action, times in took.items()}
        cache.set("usual-seconds", usual, 30)
    return usual


@dataclass
class Since:
    """How far a page knows the rows: a time, and the versions of what changed shortly before it.

    Commit order is not the order of ids or times, so a poll looks back further than the longest transaction and
    leaves out what the page says it knows.
    """

    at: float
    known: dict[int, int]
    newest: int = 0

    @classmethod
    def now(cls, generations: Iterable[Generation], at: float | None = None) -> "Since":
        at = timezone.now().timestamp() if at is None else at
        horizon = at - LONGEST_TRANSACTION.total_seconds()
        known = {row.pk: row.version for row in generations if row.changed_at.timestamp() >= horizon}
        return cls(at, known, max((row.pk for row in generations), default=0))

    @classmethod
    def read(cls, request: HttpRequest) -> "Since":
        now = timezone.now().timestamp()
        try:
            at = float(request.GET.get("since", ""))
            timezone.datetime.fromtimestamp(at, timezone.get_current_timezone())
        except (ValueError, OverflowError, OSError):
            at = now
        # No page is older than its session, and none is told (below) of a time further ahead than this.
        at = min(max(at, now - settings.SESSION_COOKIE_AGE), now + LONGEST_TRANSACTION.total_seconds())
        known = {}
        for pair in request.GET.get("known", "")[:4_000].split():
            pk, _, version = pair.partition(":")
            if whole(pk) and whole(version):
                known[whole(pk)] = whole(version)
        return cls(at, known, whole(request.GET.get("newest")))

    def tell(self, rows) -> tuple[list[int], "Since"]:
        """The primary keys of the changed rows the page does not know yet, and how far it knows them then.

        Both are bounded, as they travel in a query string. In a flood the page is told a part at a time, and looks
        back no further than the latest changes it was told of.
        """
        now = timezone.now().timestamp()
        window = list(rows.order_by("changed_at", "pk").values_list("pk", "version", "changed_at")[:WINDOW])
        unknown = [row for row in window if self.known.get(row[0]) != row[1]]
        told = unknown[:MOST_CHANGES]
        if len(told) < len(unknown):
            window = window[: window.index(told[-1]) + 1]
        recent = window[-MOST_CHANGES:]
        if len(told) < len(unknown) or len(recent) < len(window):
            now = recent[0][2].timestamp() + LONGEST_TRANSACTION.total_seconds()
        horizon = now - LONGEST_TRANSACTION.total_seconds()
        known = {pk: version for pk, version, at in recent if at.timestamp() >= horizon - 0.001}
        return [pk for pk, *_ in told], Since(now, known, self.newest)

    def state(self) -> dict[str, str | int]:
        pairs = " ".join(f"{pk}:{version}" for pk, version in self.known.items())
        return {"since": f"{self.at:.3f}", "known": pairs, "newest": self.newest}

    def moment(self):
        return timezone.datetime.fromtimestamp(self.at, timezone.get_current_timezone())
