"""Exact usage sums, read from the roll-ups where they are current and counted from the videos where they are not."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from django.db import connection
from django.db.models import Max, Q, Sum

from ..models import RollUp, RollUpMark, State
from ..models.rollup import BEGINNING
from .counting import ONE_DAY, Span, count_videos, group_tallies

# From this many spans on, count one span around all of them: the database would look each of them up.
MAX_SPANS = 8
FINISHED = (State.COMPLETED, State.FAILED, State.CANCELED)


@contextmanager
def snapshot() -> Iterator[None]:
    """Run the queries inside on one snapshot of the database; nothing can be written.

    Django's own transactions would take SQLite's write lock (IMMEDIATE), and would see each statement's own snapshot
    on PostgreSQL.
    """
    if connection.in_atomic_block:  # the caller has chosen an isolation level
        yield
        return
    begin = "BEGIN DEFERRED" if connection.vendor == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    with connection.cursor() as cursor:
        cursor.execute(begin)
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


@dataclass(frozen=True, slots=True)
class Total:
    """The videos and the amount of one day, member, API token or failure in one state."""

    key: date | str
    state: str
    videos: int
    amount: int
    latest: int | None = None


def read_totals(since: date, until: date) -> dict[str, list[Total]]:
    """Return the totals of these days (inclusive) by "day", "member", "token" and "failure". Call it in a snapshot.

    A key may occur twice, once from the roll-ups and once from the videos.
    """
    mark = RollUpMark.current()
    covered_from = max(mark.since, since) if mark and mark.since else until + ONE_DAY
    spans: list[Span] = [(since, min(covered_from, until + ONE_DAY))] if since < covered_from else []
    current = Q(day__gte=covered_from, day__lte=until)
    for first, end in _spans_of(mark.changed_days(covered_from, until) if mark and covered_from <= until else []):
        spans.append((first, end))
        current &= ~Q(day__gte=first, day__lt=end)
    found: dict[str, list[Total]] = defaultdict(list)
    if covered_from <= until:
        rows, sums = RollUp.objects.filter(current).order_by(), (Sum("videos"), Sum("amount"))
        days = rows.filter(by=RollUp.By.TOKEN).values_list("day", "state")
        found["day"] = [Total(*row) for row in days.annotate(*sums)]
        # Naming every value of `by` lets the database enter the index at each of them.
        for by, *row in (
            rows.filter(by__in=RollUp.By.values).values_list("by", "key", "state").annotate(*sums, Max("latest"))
        ):
            found[by].append(Total(*row))
    for counted in group_tallies(count_videos(*spans)):
        found[counted.by].append(Total(counted.key, counted.state, counted.videos, counted.amount, counted.latest))
        if counted.by == RollUp.By.TOKEN:
            found["day"].append(Total(counted.day, counted.state, counted.videos, counted.amount))
    return found


def finished_by_state() -> dict[str, int] | None:
    """Return the number of videos in each final state; None until the ticker has counted all of them once."""
    with snapshot():
        mark = RollUpMark.current()
        if not mark or mark.since != BEGINNING:
            return None
        spans = _spans_of(mark.changed_days(BEGINNING, date.max))
        current = Q(by=RollUp.By.TOKEN)
        for first, end in spans:
            current &= ~Q(day__gte=first, day__lt=end)
        rows = RollUp.objects.filter(current).order_by()
        sums = Counter(dict(rows.values_list("state").annotate(Sum("videos"))))
        for tally in count_videos(*spans):
            sums[tally.state] += tally.videos
    return {state: sums.get(state, 0) for state in FINISHED}


def _spans_of(days: list[date]) -> list[tuple[date, date]]:
    """Merge consecutive days into spans, each excluding its second day."""
    spans: list[tuple[date, date]] = []
    for day in days:
        if spans and spans[-1][1] == day:
            spans[-1] = spans[-1][0], day + ONE_DAY
        else:
            spans.append((day, day + ONE_DAY))
    return spans if len(spans) <= MAX_SPANS else [(spans[0][0], spans[-1][1])]
