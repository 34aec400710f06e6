"""Usage counted from the videos themselves, and grouped into roll-ups."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import models
from django.db.models import Count, Max, Q, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import TruncDate

from ..models import ApiToken, Generation, RollUp, State
from ..models.generation.queryset import midnight
from ..models.rollup import BEGINNING

ONE_DAY = timedelta(days=1)

# Days from the first up to but excluding the second; None: no end.
Span = tuple[date, date | None]


def created_in(first: date | None, end: date | None) -> dict[str, datetime]:
    """Return the filter for videos created from `first` (None: no start) up to but excluding `end` (None: no end)."""
    until = {"created_at__lt": midnight(end)} if end else {}
    return {"created_at__gte": midnight(first or BEGINNING)} | until


@dataclass(frozen=True, slots=True)
class Tally:
    """The videos of one day, member, API token, state and error code; `amount` in thousandths of a credit.

    is_simulated: whether the token simulates videos, so that nothing was spent.
    """

    is_simulated: bool
    day: date
    member_id: int
    token_id: int | None
    state: str
    error_code: str
    videos: int
    amount: int
    latest: int | None


def simulated_tokens() -> set[int | None]:
    """Return the primary keys of the tokens whose videos are simulated."""
    return set(ApiToken.objects.filter(simulated=True).values_list("pk", flat=True))


def count_videos(*spans: Span, simulated: Container[int | None] | None = None) -> list[Tally]:
    """Count the videos created in these spans, in one query; `simulated` are those tokens, if they are known."""
    if not spans:
        return []
    within = Q()
    for span in spans:
        within |= Q(**created_in(*span))
    (first, end), *others = spans
    # SQLite calls Python to truncate each row's date, so a single day is passed as a constant.
    is_one_day = not others and end == first + ONE_DAY
    day: Combinable = Value(first, output_field=models.DateField()) if is_one_day else TruncDate("created_at")
    rows = Generation.objects.filter(within).annotate(day=day).order_by()
    grouped = rows.values_list("day", "member_id", "token_id", "state", "error_code")
    latest = Max("pk", filter=Q(trashed_at__isnull=True))
    simulated = simulated_tokens() if simulated is None else simulated
    counted = grouped.annotate(Count("pk"), Sum("amount"), latest=latest)
    return [Tally(row[2] in simulated, *row) for row in counted]


def group_tallies(tallies: Iterable[Tally]) -> list[RollUp]:
    """Return unsaved roll-ups of these tallies, by each dimension."""
    sums: dict[tuple[date, str, str, str], RollUp] = {}
    for row in tallies:
        keys = [(RollUp.By.MEMBER, str(row.member_id)), (RollUp.By.TOKEN, str(row.token_id or ""))]
        if row.state == State.FAILED:
            keys.append((RollUp.By.FAILURE, row.error_code))
        if row.is_simulated:
            keys.append((RollUp.By.SIMULATED, str(row.member_id)))
        for by, key in keys:
            total = sums.setdefault(
                (row.day, by, key, row.state),
                RollUp(day=row.day, by=by, key=key, state=row.state, videos=0, amount=0),
            )
            total.videos += row.videos
            total.amount += row.amount
            if by == RollUp.By.FAILURE and row.latest:
                total.latest = max(total.latest or 0, row.latest)
    return list(sums.values())
