"""Usage reports: videos by outcome, amounts, times and failures. Amounts are in thousandths of a credit."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from statistics import quantiles
from typing import TypeVar

from ..models import Generation, RollUp, State, policy
from ..models.amounts import CREDIT
from ..models.budget import RESERVED, SPENT
from .counting import ONE_DAY, Tally, count_videos
from .periods import DateRange
from .rollups import Total, read_totals, snapshot

# The latest videos that the time to a result is taken from; older ones would change little and cost much.
MAX_TIMED = 2_000
OUTCOMES: Mapping[str, str] = {
    State.COMPLETED: "ready",
    State.FAILED: "failed",
    State.CANCELED: "canceled",
    State.UNCONFIRMED: "unconfirmed",
}

Key = TypeVar("Key", bound=Hashable)
Group = TypeVar("Group", bound=Hashable)


@dataclass(slots=True)
class Sums:
    """The number of videos by outcome; `spent`: the amount of finished ones, `reserved`: of open ones.

    `simulated`: the number of simulated videos; `simulated_amount`: the amount of the finished ones, not in `spent`.
    """

    videos: Counter[str] = field(default_factory=Counter)
    spent: int = 0
    reserved: int = 0
    simulated: int = 0
    simulated_amount: int = 0

    def add(self, state: str, videos: int, amount: int) -> None:
        self.videos[OUTCOMES.get(state, "open")] += videos
        self.spent += amount if state in SPENT else 0
        self.reserved += amount if state in RESERVED else 0

    def deduct_simulated(self, state: str, videos: int, amount: int) -> None:
        """Move the amount of simulated videos, which `add` has counted as spent, to `simulated_amount`."""
        free = amount if state in SPENT else 0
        self.simulated += videos
        self.simulated_amount += free
        self.spent -= free

    def add_all(self, other: "Sums") -> None:
        self.videos.update(other.videos)
        self.spent += other.spent
        self.reserved += other.reserved
        self.simulated += other.simulated
        self.simulated_amount += other.simulated_amount

    @property
    def requested(self) -> int:
        return self.videos.total()

    @property
    def ready(self) -> int:
        return self.videos["ready"]

    @property
    def failed(self) -> int:
        return self.videos["failed"]

    @property
    def others(self) -> int:
        """The number of videos that are open, unconfirmed or canceled."""
        return self.requested - self.ready - self.failed

    @property
    def amount(self) -> int:
        return self.spent + self.reserved

    @property
    def success(self) -> float | None:
        """The share of ready videos among the ready and failed ones; None without any."""
        ended = self.ready + self.failed
        return self.ready / ended if ended else None


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from submission to result: the median and the 95th percentile of `count` videos."""

    median: float
    p95: float
    count: int


def result_times(within: DateRange) -> Times | None:
    """Return how long the latest ready videos of these days took; None without any."""
    start, end = within.bounds
    ready = Generation.objects.filter(
        created_at__gte=start, created_at__lt=end, state=State.COMPLETED, finished_at__isnull=False
    )
    # Ordered by time, whose index leads to the latest of any range; by primary key the database would scan down to it.
    seconds = [
        (finished - created).total_seconds()
        for created, finished in ready.order_by("-created_at").values_list("created_at", "finished_at")[:MAX_TIMED]
        if finished
    ]
    if not seconds:
        return None
    if len(seconds) == 1:
        return Times(seconds[0], seconds[0], 1)
    cuts = quantiles(seconds, n=20, method="inclusive")
    return Times(cuts[9], cuts[18], len(seconds))


@dataclass(frozen=True, slots=True)
class Failure:
    """The videos that failed for one reason, and the latest of them unless it is deleted."""

    title: str
    text: str
    videos: int
    latest: Generation | None


def _failures(totals: Iterable[Total]) -> list[Failure]:
    """Group failures by their wording, most frequent first."""
    texts: dict[str, str] = {}
    videos: Counter[str] = Counter()
    latest: dict[str, int] = {}
    for total in totals:
        wording = policy.words_for(State.FAILED, str(total.key), accepted=True)
        texts.setdefault(wording.title, wording.text)
        videos[wording.title] += total.videos
        latest[wording.title] = max(latest.get(wording.title, 0), total.latest or 0)
    shown = Generation.objects.select_related("member").in_bulk(list(latest.values()))
    return [Failure(title, texts[title], number, shown.get(latest[title])) for title, number in videos.most_common()]


@dataclass(frozen=True, slots=True)
class Report:
    """One snapshot of the usage by day, by member and by API token (primary keys), with failures and times."""

    days: dict[date, Sums]
    members: dict[int, Sums]
    tokens: dict[int | None, Sums]
    failures: list[Failure]
    times: Times | None

    @property
    def total(self) -> Sums:
        return merge_sums(self.days, lambda day: 0).get(0) or Sums()


def report(within: DateRange) -> Report:
    """Return the usage of these days. Deleted videos are included, as they were paid for."""
    with snapshot():
        totals = read_totals(within.since, within.until)
        return Report(
            days=_sums_by(totals["day"], _as_date, totals["simulated day"]),
            members=_sums_by(totals["member"], lambda key: int(str(key)), totals[RollUp.By.SIMULATED]),
            tokens=_sums_by(totals["token"], _as_token, totals["simulated token"]),
            failures=_failures(totals["failure"]),
            times=result_times(within),
        )


def usage_by_token(within: DateRange) -> dict[int | None, Sums]:
    """Return the usage of each API token by primary key; None stands for videos that were never sent."""
    with snapshot():
        totals = read_totals(within.since, within.until)
    return _sums_by(totals["token"], _as_token, totals["simulated token"])


def _as_date(key: date | str) -> date:
    return key if isinstance(key, date) else date.fromisoformat(key)


def _as_token(key: date | str) -> int | None:
    return int(str(key)) if key else None


def _sums_by(
    totals: Iterable[Total], convert: Callable[[date | str], Key], simulated: Iterable[Total]
) -> dict[Key, Sums]:
    """Add up the totals by key; `simulated` are those of them that cost nothing."""
    sums: dict[Key, Sums] = {}
    for total in totals:
        sums.setdefault(convert(total.key), Sums()).add(total.state, total.videos, total.amount)
    for total in simulated:
        sums.setdefault(convert(total.key), Sums()).deduct_simulated(total.state, total.videos, total.amount)
    return sums


def merge_sums(sums: Mapping[Key, Sums], group_of: Callable[[Key], Group]) -> dict[Group, Sums]:
    """Add up the sums whose keys have the same group."""
    merged: dict[Group, Sums] = {}
    for key, one in sums.items():
        merged.setdefault(group_of(key), Sums()).add_all(one)
    return merged


def tallies(within: DateRange) -> list[Tally]:
    """Count these days from the videos, by day and member. Takes the longer the more videos there are."""
    return sorted(count_videos((within.since, within.until + ONE_DAY)), key=lambda tally: (tally.day, tally.member_id))


def as_table(
    within: DateRange, members: Mapping[int, str], tokens: Mapping[int, str] | None
) -> Iterator[list[str | int | float]]:
    """Yield the usage as rows of a table, the head first; without the tokens' column if `tokens` is None.

    Counted from the videos a month at a time, so that neither the database nor the memory holds everything. Credits
    are those spent or reserved: a failed or canceled video counts for none. Simulated videos have separate rows,
    whose credits were not spent and are in the last column.
    """
    token_head = [] if tokens is None else ["token"]
    yield ["day", "member", *token_head, "state", "videos", "credits", "simulated", "simulated credits"]
    for month in within.months:
        videos: Counter[tuple[date, int, int | None, str, bool]] = Counter()
        amounts: Counter[tuple[date, int, int | None, str, bool]] = Counter()
        for tally in tallies(month):
            # By primary key: two members, or two tokens, may have the same name.
            token_id = None if tokens is None else tally.token_id
            key = (tally.day, tally.member_id, token_id, tally.state, tally.is_simulated)
            videos[key] += tally.videos
            amounts[key] += tally.amount if tally.state in SPENT or tally.state in RESERVED else 0
        for key, number in videos.items():
            day, member, token, state, is_simulated = key
            token_columns = [] if tokens is None else [tokens.get(token or 0, "")]
            credits = amounts[key] / CREDIT
            costs: list[str | float] = [0.0, "yes", credits] if is_simulated else [credits, "no", 0.0]
            yield [day.isoformat(), members.get(member, ""), *token_columns, state, number, *costs]
