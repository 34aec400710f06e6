"""Exact usage sums, read from the roll-ups where they are current and counted from the videos where they are not."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from django.db import connection
from django.db.models import Max, Q, Sum

from ..models import RollUp, RollUpMark, State
from ..models.rollup import BEGINNING
from .counting import ONE_DAY, Span, count_videos, group_tallies, simulated_tokens

# From this many spans on, count one span around all of them: the database would look each of them up.
MAX_SPANS = 8
FINISHED = (State.COMPLETED, State.FAILED, State.CANCELED)
# The totals by day, by the dimension they are read from.
BY_DAY: Mapping[str, str] = {RollUp.By.TOKEN: "day", RollUp.By.SIMULATED: "simulated day"}


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

    Those of "simulated day", "simulated token" and "free" (by member) are of the simulated videos, which the others
    include. A key may occur twice, once from the roll-ups and once from the videos.
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
        days = rows.filter(by__in=BY_DAY).values_list("by", "day", "state")
        for by, *row in days.annotate(*sums):
            found[BY_DAY[by]].append(Total(*row))
        # Naming every value of `by` lets the database enter the index at each of them.
        for by, *row in (
            rows.filter(by__in=RollUp.By.values).values_list("by", "key", "state").annotate(*sums, Max("latest"))
        ):
            found[by].append(Total(*row))
    simulated = simulated_tokens()
    for counted in group_tallies(count_videos(*spans, simulated=simulated)):
        found[counted.by].append(Total(counted.key, counted.state, counted.videos, counted.amount, counted.latest))
        if counted.by in BY_DAY:
            found[BY_DAY[counted.by]].append(Total(counted.day, counted.state, counted.videos, counted.amount))
    keys = {str(pk) for pk in simulated}
    found["simulated token"] = [total for total in found["token"] if total.key in keys]
    return found


def finished_by_state() -> tuple[dict[str, int], dict[str, int]] | None:
    """Return the number of videos in each final state, and of the simulated ones among them.

    None until the ticker has counted all of them once.
    """
    with snapshot():
        mark = RollUpMark.current()
        if not mark or mark.since != BEGINNING:
            return None
        spans = _spans_of(mark.changed_days(BEGINNING, date.max))
        current = Q(by__in=BY_DAY)
        for first, end in spans:
            current &= ~Q(day__gte=first, day__lt=end)
        rows = RollUp.objects.filter(current).order_by()
        sums: Counter[tuple[str, str]] = Counter()
        for by, state, videos in rows.values_list("by", "state").annotate(Sum("videos")):
            sums[by, state] += videos
        for counted in group_tallies(count_videos(*spans)):
            sums[counted.by, counted.state] += counted.videos
    everything, simulated = ({str(state): sums[by, state] for state in FINISHED} for by in BY_DAY)
    return everything, simulated


def _spans_of(days: list[date]) -> list[tuple[date, date]]:
    """Merge consecutive days into spans, each excluding its second day."""
    spans: list[tuple[date, date]] = []
    for day in days:
        if spans and spans[-1][1] == day:
            spans[-1] = spans[-1][0], day + ONE_DAY
        else:
            spans.append((day, day + ONE_DAY))
    return spans if len(spans) <= MAX_SPANS else [(spans[0][0], spans[-1][1])]
