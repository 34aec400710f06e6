"""What was asked for and what came of it, added up. Amounts are thousandths of a credit, days the team's."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from statistics import quantiles

from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from . import policy
from .budget import CREDIT, RESERVED, SPENT
from .generation import Generation
from .state import State

# The time to a result is told of the latest ones; older ones would change little and cost much.
TIMED_AT_MOST = 10_000
BARS_AT_MOST = 62


@dataclass(frozen=True, slots=True)
class Range:
    """From the first day to the last, both included."""

    since: date
    until: date

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """Its start, and the moment after its end."""
        zone = timezone.get_current_timezone()
        first, after = (datetime.combine(day, time()) for day in (self.since, self.until + timedelta(days=1)))
        return first.replace(tzinfo=zone), after.replace(tzinfo=zone)

    @property
    def step(self) -> str:
        """What one bar of a plot stands for, so that there are never too many: "day", "week", "month" or "quarter"."""
        long = {"day": 1, "week": 7, "month": 30}
        return next((step for step, days in long.items() if self.days <= days * BARS_AT_MOST), "quarter")

    def period_of(self, day: date) -> date:
        """The first day of what this day belongs to."""
        if self.step == "day":
            return day
        if self.step == "week":
            return day - timedelta(days=day.weekday())
        return day.replace(day=1, month=day.month if self.step == "month" else (day.month - 1) // 3 * 3 + 1)

    @property
    def periods(self) -> list[date]:
        days = (self.since + timedelta(days=number) for number in range(self.days))
        return list(dict.fromkeys(map(self.period_of, days)))

    def rows(self):
        first, after = self.moments
        return Generation.objects.filter(created_at__gte=first, created_at__lt=after)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many videos of one day, member, token and state there are, and what they count for."""

    day: date
    member_id: int
    token_id: int | None
    state: str
    videos: int
    amount: int

    @property
    def spent(self) -> int:
        return self.amount if self.state in SPENT else 0

    @property
    def held(self) -> int:
        return self.amount if self.state in RESERVED else 0


def tallies(within: Range) -> list[Tally]:
    """Everything but times and failures comes from these; deleted videos are among them, as they were paid for."""
    grouped = within.rows().annotate(day=TruncDate("created_at")).values_list("day", "member_id", "token_id", "state")
    return [Tally(*row) for row in grouped.annotate(Count("pk"), Sum("amount")).order_by("day", "member_id")]


OUTCOMES = {
    State.COMPLETED: "ready",
    State.FAILED: "failed",
    State.CANCELED: "canceled",
    State.UNCONFIRMED: "unconfirmed",
}


@dataclass(slots=True)
class Sums:
    """Videos by what came of them, and what they count for: `spent` of those that came, `held` of the open ones."""

    videos: Counter = field(default_factory=Counter)
    spent: int = 0
    held: int = 0

    def add(self, tally: Tally) -> None:
        self.videos[OUTCOMES.get(tally.state, "open")] += tally.videos
        self.spent += tally.spent
        self.held += tally.held

    @property
    def asked(self) -> int:
        return self.videos.total()

    @property
    def ready(self) -> int:
        return self.videos["ready"]

    @property
    def failed(self) -> int:
        return self.videos["failed"]

    @property
    def others(self) -> int:
        """Neither ready nor failed: open, unconfirmed or canceled."""
        return self.asked - self.ready - self.failed

    @property
    def success(self) -> float | None:
        """Of those that came to an end by themselves, the share that is ready; None without any."""
        ended = self.ready + self.failed
        return self.ready / ended if ended else None


def summed(rows: Iterable[Tally], by) -> dict:
    """The sums by what `by` says of a tally."""
    sums: dict = {}
    for row in rows:
        sums.setdefault(by(row), Sums()).add(row)
    return sums


@dataclass(frozen=True, slots=True)
class Times:
    """How long results took from the press of the button, in seconds; `of` so many."""

    median: float
    p95: float
    of: int


def times(within: Range) -> Times | None:
    done = within.rows().filter(state=State.COMPLETED, finished_at__isnull=False)
    spans = [
        (finished - created).total_seconds()
        for created, finished in done.order_by("-pk").values_list("created_at", "finished_at")[:TIMED_AT_MOST]
    ]
    if not spans:
        return None
    if len(spans) == 1:
        return Times(spans[0], spans[0], 1)
    cuts = quantiles(spans, n=20, method="inclusive")
    return Times(cuts[9], cuts[18], len(spans))


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed for one reason: how often, and the latest of them."""

    title: str
    text: str
    videos: int
    latest: Generation


def failures(within: Range) -> list[Failure]:
    """Grouped by what happened in words, the most frequent first; what was deleted for good counts and is not shown."""
    rows = within.rows().filter(state=State.FAILED).values("error_code")
    groups: dict[str, list] = {}
    rows = rows.annotate(videos=Count("pk"), latest=Max("pk", filter=Q(trashed_at__isnull=True)))
    for code, videos, latest in rows.values_list("error_code", "videos", "latest"):
        words = policy.words_for(State.FAILED, code, accepted=True)
        group = groups.setdefault(words.title, [words.text, 0, 0])
        group[1] += videos
        group[2] = max(group[2], latest or 0)
    latest = Generation.objects.select_related("member").in_bulk([group[2] for group in groups.values()])
    found = [Failure(title, text, videos, latest.get(pk)) for title, (text, videos, pk) in groups.items()]
    return sorted(found, key=lambda failure: -failure.videos)


def as_table(within: Range, names: dict[int, str], tokens: dict[int, str] | None) -> Iterator[list]:
    """The tallies as rows of a table, the head first; without tokens where these are nobody's business.

    Credits are those that are spent or set aside: what failed or was canceled was given back and counts for none.
    """
    yield ["day", "member", *(["token"] if tokens is not None else []), "state", "videos", "credits"]
    merged: Counter = Counter()
    amounts: Counter = Counter()
    for row in tallies(within):
        # By their keys: two members, or two tokens, may have the same name.
        key = (row.day, row.member_id, None if tokens is None else row.token_id, row.state)
        merged[key] += row.videos
        amounts[key] += row.spent + row.held
    for (day, member, token, state), videos in merged.items():
        named = [] if tokens is None else [tokens.get(token, "")]
        amount = amounts[day, member, token, state]
        yield [day.isoformat(), names.get(member, ""), *named, state, videos, amount / CREDIT]
