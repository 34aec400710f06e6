"""Usage counted ahead, a whole day at a time, so that a page over a million videos adds up a few thousand sums.

Nothing is written here while videos are made. A pass (`roll_up`, by the ticker) finds the days on which something
changed and counts them anew; until it has, a reader counts just these days from the rows. So what is read is exact at
any moment, with passes or without. Why it is done this way: docs/decisions/usage.md.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection, models, transaction
from django.db.models import Count, F, Max, Q, Sum, Value
from django.db.models.functions import Coalesce, TruncDate
from django.utils import timezone

from .generation import Generation
from .rows import midnight
from .state import State

logger = logging.getLogger(__name__)

# How far a change's own time may lie behind its commit: the longest transaction, and clocks that differ.
LOOK_BACK = timedelta(minutes=15)
# Rows counted at once while the roll-ups are made or looked through; a day is never cut.
PIECE = 5_000
# What is not in one stretch is counted as one from here on; the database would look it up stretch by stretch.
STRETCHES_AT_MOST = 8
BEGINNING = date(1970, 1, 1)
A_DAY = timedelta(days=1)


class RollUp(models.Model):
    """How many videos asked for on one day are in which state, told apart by one thing, and what they count for.

    by: what they are told apart by; key: which one: a primary key ("" where there is none) or the provider's word for
    a failure. amount: thousandths of a credit. latest: of failures, the last that is not in the trash.
    """

    class By(models.TextChoices):
        MEMBER = "member"
        TOKEN = "token"
        FAILURE = "failure"

    day = models.DateField(help_text="In the time zone of the mark.")
    by = models.CharField(max_length=7, choices=By)
    key = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=12, choices=State)
    videos = models.PositiveIntegerField()
    amount = models.PositiveBigIntegerField()
    latest = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "by", "key", "state"], name="one_roll_up_for_a_key")]
        # All a reader needs, in the order it adds up in: no table is looked at and nothing is sorted.
        indexes = [
            models.Index(fields=["by", "key", "state", "day", "videos", "amount", "latest"], name="roll_up_read"),
        ]

    def __str__(self) -> str:
        return f"{self.day}, {self.by} {self.key}: {self.videos} {self.state}"


class RollUpMark(models.Model):
    """The one row that says which days the roll-ups hold, and up to which changes.

    since: the first day they hold, and all after it; None: none yet. at: every change that was made LOOK_BACK before it
    is in them. marks: of the changes after that, by day, which are in them as well: how many rows had changed, and the
    sum of their versions. A row that changes again has a higher version, so a day whose rows still give the same two
    numbers is as it was when it was counted. number: grows with each write, so that of two passes one gives way.
    """

    zone = models.CharField(max_length=64)
    since = models.DateField(null=True)
    at = models.DateTimeField()
    marks = models.JSONField(default=dict)
    number = models.PositiveBigIntegerField(default=0)
    looked_through = models.DateField(null=True, help_text="The first day of what was last held against the rows.")

    def __str__(self) -> str:
        return f"Since {self.since}, as of {self.at:%Y-%m-%d %H:%M:%S}"

    @classmethod
    def current(cls) -> "RollUpMark | None":
        """None where what was counted is of no use: another time zone's days, or a clock that was far ahead."""
        row = cls.objects.filter(pk=1).first()
        return row if row and row.zone == _zone() and row.start < timezone.now() else None

    @property
    def start(self) -> datetime:
        """From when on a change may be missing."""
        return self.at - LOOK_BACK

    def changed(self, since: date, until: date) -> list[date]:
        """The days from and to these, both included, that are no longer as they were counted."""
        # By that index alone: of all videos of a year, few have changed lately.
        rows = Generation.objects.filter(changed_at__gte=self.start)
        rows = rows.annotate(day=TruncDate("created_at")).order_by().values_list("day")
        now = {day: numbers for day, *numbers in rows.annotate(Count("pk"), Sum("version"))}
        return [day for day in self._unlike(now) if since <= day <= until]

    def _unlike(self, now: dict[date, list[int]]) -> list[date]:
        """The days whose numbers are not those of the marks."""
        then = {date.fromisoformat(day): numbers for day, numbers in self.marks.items()}
        return sorted(day for day in now.keys() | then.keys() if now.get(day) != then.get(day))

    def _write(self, **changes) -> bool:
        """Set these; False where another pass has written since this row was read."""
        same = type(self).objects.filter(pk=1, number=self.number)
        written = bool(same.update(number=F("number") + 1, **changes))
        if written:
            self.number += 1
            for name, value in changes.items():
                setattr(self, name, value)
        return written

    def _replace(self, first: date, after: date | None, sums: "Iterable[RollUp]", **changes) -> bool:
        """Put these sums in the place of all days from one up to another; False where another pass was faster."""
        days = Q(day__gte=first)
        if after:
            days &= Q(day__lt=after)
        with transaction.atomic():
            written = self._write(**changes)
            if written:
                RollUp.objects.filter(days).delete()
                RollUp.objects.bulk_create(sums, batch_size=500)
        return written


def _zone() -> str:
    return timezone.get_current_timezone_name()


def _between(first: date | None, after: date | None) -> dict:
    """The rows from one day (None: the first) up to another (None: and all that follow)."""
    until = {"created_at__lt": midnight(after)} if after else {}
    return {"created_at__gte": midnight(first or BEGINNING)} | until


@dataclass(frozen=True, slots=True)
class Tally:
    """How many videos of one day, member, token and state there are, and what they count for."""

    day: date
    member_id: int
    token_id: int | None
    state: str
    error_code: str
    videos: int
    amount: int
    latest: int | None


def counted(*stretches: tuple[date, date | None]) -> list[Tally]:
    """Stretches of days counted from the rows; each from a day up to another, None: and all that follow."""
    if not stretches:
        return []
    within = Q()
    for first, after in stretches:
        within |= Q(**_between(first, after))
    (first, after), *more = stretches
    # On SQLite a day's name is worked out row by row, in Python.
    one = not more and after == first + A_DAY
    day = Value(first, output_field=models.DateField()) if one else TruncDate("created_at")
    rows = Generation.objects.filter(within).annotate(day=day).order_by()
    grouped = rows.values_list("day", "member_id", "token_id", "state", "error_code")
    shown = Max("pk", filter=Q(trashed_at__isnull=True))
    return [Tally(*row) for row in grouped.annotate(Count("pk"), Sum("amount"), shown=shown)]


def folded(tallies: Iterable[Tally]) -> list[RollUp]:
    """The same, told apart by one thing at a time."""
    sums: dict[tuple, RollUp] = {}
    for row in tallies:
        keys = [(RollUp.By.MEMBER, str(row.member_id)), (RollUp.By.TOKEN, str(row.token_id or ""))]
        if row.state == State.FAILED:
            keys.append((RollUp.By.FAILURE, row.error_code))
        for by, key in keys:
            kept = sums.setdefault(
                (row.day, by, key, row.state),
                RollUp(day=row.day, by=by, key=key, state=row.state, videos=0, amount=0),
            )
            kept.videos += row.videos
            kept.amount += row.amount
            if by == RollUp.By.FAILURE and row.latest:
                kept.latest = max(kept.latest or 0, row.latest)
    return list(sums.values())


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def one_moment() -> Iterator[None]:
    """Read all that follows as it is at one moment, whatever is committed meanwhile. Nothing can be written in it.

    Django's own transactions would take SQLite's write lock (IMMEDIATE), and on PostgreSQL see each statement's moment.
    """
    if connection.in_atomic_block:  # whoever opened it has chosen
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
class Summed:
    """Videos and amount of one day, or of one member, token or failure, in one state."""

    key: date | str
    state: str
    videos: int
    amount: int
    latest: int | None = None


def read(since: date, until: date) -> dict[str, list[Summed]]:
    """The sums of these days, both included, by "day", "member", "token" and "failure". To be read in one moment.

    A key can come twice: what is counted ahead and what is counted now are two lines.
    """
    mark = RollUpMark.current()
    held = max(mark.since, since) if mark and mark.since else until + A_DAY
    stretches = [(since, min(held, until + A_DAY))] if since < held else []
    kept = Q(day__gte=held, day__lte=until)
    for first, after in _stretches(mark.changed(held, until) if mark and held <= until else []):
        stretches.append((first, after))
        kept &= ~Q(day__gte=first, day__lt=after)
    found: dict[str, list[Summed]] = defaultdict(list)
    if held <= until:
        rows, sums = RollUp.objects.filter(kept).order_by(), (Sum("videos"), Sum("amount"))
        days = rows.filter(by=RollUp.By.TOKEN).values_list("day", "state")
        found["day"] = [Summed(*row) for row in days.annotate(*sums)]
        # Each kind is named, so that the index is entered at each.
        for by, *row in (
            rows.filter(by__in=RollUp.By.values).values_list("by", "key", "state").annotate(*sums, Max("latest"))
        ):
            found[by].append(Summed(*row))
    for row in folded(counted(*stretches)):
        found[row.by].append(Summed(row.key, row.state, row.videos, row.amount, row.latest))
        if row.by == RollUp.By.TOKEN:
            found["day"].append(Summed(row.day, row.state, row.videos, row.amount))
    return found


def by_state() -> dict[str, int] | None:
    """How many videos of all days are in each state; None until all were counted once. To be read in one moment."""
    mark = RollUpMark.current()
    if not mark or mark.since != BEGINNING:
        return None
    stretches = _stretches(mark.changed(BEGINNING, date.max))
    kept = Q(by=RollUp.By.TOKEN)
    for first, after in stretches:
        kept &= ~Q(day__gte=first, day__lt=after)
    sums = Counter(dict(RollUp.objects.filter(kept).order_by().values_list("state").annotate(Sum("videos"))))
    for row in counted(*stretches):
        sums[row.state] += row.videos
    return dict(sums)


def _stretches(days: list[date]) -> list[tuple[date, date]]:
    """These days as stretches of days that follow one another, each up to a day that is excluded."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and found[-1][1] == day:
            found[-1] = found[-1][0], day + A_DAY
        else:
            found.append((day, day + A_DAY))
    return found if len(found) <= STRETCHES_AT_MOST else [(found[0][0], found[-1][1])]


# ── The pass ──────────────────────────────────────────────────────────────────────────────────────────────────


def roll_up(seconds: float = 2.0, piece: int = PIECE) -> bool:
    """Count anew what changed, then go on with what was never counted, for so long; False where some is left.

    Each piece is written in a transaction of its own. What a pass that ends in the midst has written is not believed
    before the mark says so, and the next goes on from there. Of two at once one gives way.
    """
    end = time.monotonic() + seconds
    mark = RollUpMark.current() or _begin()
    whole = bool(mark and _catch_up(mark, end) and _reach_back(mark, end, piece))
    if mark and whole:
        _look_through(mark, piece)
    return whole


def _begin() -> RollUpMark | None:
    """Believe nothing that was counted before."""
    afresh = {"zone": _zone(), "since": None, "at": _latest_change(), "marks": {}, "looked_through": None}
    row, made = RollUpMark.objects.get_or_create(pk=1, defaults=afresh)
    return row if made or row._write(**afresh) else None


def _latest_change() -> datetime:
    """Up to where a change's time has come: by our clock or by the rows', whichever is behind the other."""
    now = timezone.now()
    return min(now, Generation.objects.aggregate(at=Max("changed_at"))["at"] or now)


def _catch_up(mark: RollUpMark, end: float) -> bool:
    """Count the days anew on which something changed, the latest first, and move the mark.

    The marks are read before the days are counted: what changes in between is in a count, and no mark says so.
    """
    at = _latest_change()
    before, after = Q(changed_at__gte=mark.start), Q(changed_at__gte=at - LOOK_BACK)
    rows = Generation.objects.filter(before | after).annotate(day=TruncDate("created_at")).order_by()
    # One statement: a change between two would be in the marks, and its day not be counted.
    numbers = [(Count("pk", filter=seen), Coalesce(Sum("version", filter=seen), Value(0))) for seen in (before, after)]
    named = dict(zip(("old_rows", "old_versions", "rows", "versions"), (*numbers[0], *numbers[1]), strict=True))
    found = {day: numbers for day, *numbers in rows.values_list("day").annotate(**named)}
    marks = {day.isoformat(): numbers[2:] for day, numbers in found.items() if numbers[2]}
    changed = mark._unlike({day: numbers[:2] for day, numbers in found.items() if numbers[0]})
    since = mark.since
    for day in [day for day in reversed(changed) if since and day >= since]:
        if not mark._replace(day, day + A_DAY, folded(counted((day, day + A_DAY)))):
            return False
        if time.monotonic() > end:
            # Too many for one round: what is left counts as never counted, and is counted on the way back.
            since = day
            break
    if (at, marks, since) == (mark.at, mark.marks, mark.since):
        return True
    return mark._write(at=at, marks=marks, since=since)


def _reach_back(mark: RollUpMark, end: float, piece: int) -> bool:
    """Count what was never counted, from the latest day to the first, a piece at least."""
    while mark.since != BEGINNING:
        first = _piece_before(mark.since, piece)
        sums = folded(counted((first, mark.since)))
        if not mark._replace(first, mark.since, sums, since=first):
            return False
        if time.monotonic() > end:
            return mark.since == BEGINNING
    return True


def _piece_before(until: date | None, piece: int) -> date:
    """From which day on a piece is counted that ends before this one."""
    rows = Generation.objects.filter(**_between(None, until)).order_by("-created_at")
    last = rows.values_list("created_at", flat=True)[piece : piece + 1].first()
    return timezone.localdate(last) if last else BEGINNING


def _look_through(mark: RollUpMark, piece: int) -> None:
    """Hold a piece of what was counted against its rows, one piece each pass, for ever.

    They never differ while clocks do not part by more than LOOK_BACK. Should they, it is told and mended.
    """
    until = None if mark.looked_through in (None, BEGINNING) else mark.looked_through
    first = _piece_before(until, piece)
    with one_moment():
        if not RollUpMark.objects.filter(pk=1, number=mark.number).exists():
            return
        now = {_facts(row) for row in folded(counted((first, until)))}
        then = {_facts(row) for row in RollUp.objects.filter(day__gte=first, **({"day__lt": until} if until else {}))}
        wrong = {day for day, *_ in now ^ then}
        if wrong:
            wrong -= set(mark.changed(min(wrong), max(wrong)))
    if not wrong:
        RollUpMark.objects.filter(pk=1, number=mark.number).update(looked_through=first)
        return
    logger.error("the usage of %s was not what its rows say, and is counted anew", ", ".join(map(str, sorted(wrong))))
    for day in wrong:
        mark._replace(day, day + A_DAY, folded(counted((day, day + A_DAY))))


def _facts(row: RollUp) -> tuple:
    return row.day, row.by, row.key, row.state, row.videos, row.amount, row.latest
