"""What was asked for and what came of it, added up. Amounts are thousandths of a credit, days the team's."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import quantiles

from . import policy, rollup
from .budget import CREDIT, RESERVED, SPENT
from .generation import Generation
from .rollup import Tally, counted, roll_up
from .rows import midnight
from .state import State

__all__ = ["Range", "Report", "Sums", "as_table", "report", "roll_up", "tallies"]

# The time to a result is told of the latest ones; older ones would change little and cost much.
TIMED_AT_MOST = 2_000
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
        return midnight(self.since), midnight(self.until + timedelta(days=1))

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

    @property
    def months(self) -> "Iterator[Range]":
        """The same days, cut where a month ends."""
        since = self.since
        while since <= self.until:
            after = (since.replace(day=1) + timedelta(days=32)).replace(day=1)
            yield Range(since, min(self.until, after - timedelta(days=1)))
            since = after

    def rows(self):
        first, after = self.moments
        return Generation.objects.filter(created_at__gte=first, created_at__lt=after)


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

    def add(self, state: str, videos: int, amount: int) -> None:
        self.videos[OUTCOMES.get(state, "open")] += videos
        self.spent += amount if state in SPENT else 0
        self.held += amount if state in RESERVED else 0

    def add_all(self, other: "Sums") -> None:
        self.videos.update(other.videos)
        self.spent += other.spent
        self.held += other.held

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


@dataclass(frozen=True, slots=True)
class Times:
    """How long results took from the press of the button, in seconds; `of` so many."""

    median: float
    p95: float
    of: int


def times(within: Range) -> Times | None:
    done = within.rows().filter(state=State.COMPLETED, finished_at__isnull=False)
    # By the moment, whose index leads to the latest of any range; the primary key's would be walked down to it.
    spans = [
        (finished - created).total_seconds()
        for created, finished in done.order_by("-created_at").values_list("created_at", "finished_at")[:TIMED_AT_MOST]
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


def _failures(rows: Iterable[rollup.Summed]) -> list[Failure]:
    """Grouped by what happened in words, the most frequent first; what was deleted for good counts and is not shown."""
    groups: dict[str, list] = {}
    for row in rows:
        words = policy.words_for(State.FAILED, row.key, accepted=True)
        group = groups.setdefault(words.title, [words.text, 0, 0])
        group[1] += row.videos
        group[2] = max(group[2], row.latest or 0)
    latest = Generation.objects.select_related("member").in_bulk([group[2] for group in groups.values()])
    found = [Failure(title, text, videos, latest.get(pk)) for title, (text, videos, pk) in groups.items()]
    return sorted(found, key=lambda failure: -failure.videos)


@dataclass(frozen=True, slots=True)
class Report:
    """What the page tells: sums by day, by member's and by token's primary key, all as they were at one moment."""

    days: dict[date, Sums]
    members: dict[int, Sums]
    tokens: dict[int | None, Sums]
    failures: list[Failure]
    times: Times | None

    @property
    def total(self) -> Sums:
        return added(self.days, lambda day: 0).get(0) or Sums()


def report(within: Range) -> Report:
    """Deleted videos are in all sums, as they were paid for."""
    with rollup.one_moment():
        found = rollup.read(within.since, within.until)
        return Report(
            _summed(found["day"], lambda day: day),
            _summed(found["member"], int),
            _by_token(found["token"]),
            _failures(found["failure"]),
            times(within),
        )


def by_token(within: Range) -> dict[int | None, Sums]:
    """What each API token was used for; None: what was never sent."""
    with rollup.one_moment():
        return _by_token(rollup.read(within.since, within.until)["token"])


def _by_token(rows: Iterable[rollup.Summed]) -> dict[int | None, Sums]:
    return _summed(rows, lambda key: int(key) if key else None)


def _summed(rows: Iterable[rollup.Summed], key: Callable) -> dict:
    sums: dict = {}
    for row in rows:
        sums.setdefault(key(row.key), Sums()).add(row.state, row.videos, row.amount)
    return sums


def added(sums: dict, by: Callable) -> dict:
    """Sums put together by what `by` says of their keys."""
    found: dict = {}
    for key, one in sums.items():
        found.setdefault(by(key), Sums()).add_all(one)
    return found


def tallies(within: Range) -> list[Tally]:
    """All of it counted from the rows: what takes the longer the more there are."""
    found = counted((within.since, within.until + timedelta(days=1)))
    return sorted(found, key=lambda row: (row.day, row.member_id))


def as_table(within: Range, names: dict[int, str], tokens: dict[int, str] | None) -> Iterator[list]:
    """The sums as rows of a table, the head first; without tokens where these are nobody's business.

    Counted from the rows, a month at a time, so that neither the database nor the memory has to hold all of them.
    Credits are those that are spent or set aside: what failed or was canceled was given back and counts for none.
    """
    yield ["day", "member", *(["token"] if tokens is not None else []), "state", "videos", "credits"]
    for part in within.months:
        merged: Counter = Counter()
        amounts: Counter = Counter()
        for row in tallies(part):
            # By their keys: two members, or two tokens, may have the same name.
            key = (row.day, row.member_id, None if tokens is None else row.token_id, row.state)
            merged[key] += row.videos
            amounts[key] += row.amount if row.state in SPENT or row.state in RESERVED else 0
        for (day, member, token, state), videos in merged.items():
            named = [] if tokens is None else [tokens.get(token, "")]
            amount = amounts[day, member, token, state]
            yield [day.isoformat(), names.get(member, ""), *named, state, videos, amount / CREDIT]
