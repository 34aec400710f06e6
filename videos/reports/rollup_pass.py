"""The pass of the ticker that keeps the roll-ups current, extends them to older days, and verifies them."""

import logging
import time
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Max, Q, Sum, Value
from django.db.models.functions import Coalesce, TruncDate
from django.utils import timezone

from ..models import Generation, RollUp, RollUpMark
from ..models.rollup import BEGINNING, COVERS_NOTHING, LOOK_BACK
from .counting import ONE_DAY, count_videos, created_in, group_tallies
from .rollups import snapshot

logger = logging.getLogger(__name__)

# Videos counted in one query; a day is never split.
CHUNK_SIZE = 5_000


def roll_up(seconds: float = 2.0, chunk_size: int = CHUNK_SIZE) -> bool:
    """Recount the days that changed, then count older ones for this long; return whether every day is covered.

    Each chunk is written in its own transaction. Readers ignore the chunk of a pass that dies until the mark covers
    it, and the next pass resumes there. Of two concurrent passes one gives up.
    """
    end = time.monotonic() + seconds
    mark = RollUpMark.current() or _start_over()
    complete = bool(mark and _recount_changed_days(mark, end) and _count_older_days(mark, end, chunk_size))
    if mark and complete:
        _verify_chunk(mark, chunk_size)
    return complete


def _start_over() -> RollUpMark | None:
    """Reset the mark so that readers ignore every existing sum; return None if another pass was faster."""
    zone = timezone.get_current_timezone_name()
    reset = {**COVERS_NOTHING, "zone": zone, "at": _latest_change()}
    mark, created = RollUpMark.objects.get_or_create(pk=1, defaults=reset)
    return mark if created or mark.write(**reset) else None


def _latest_change() -> datetime:
    """Return the time up to which changes are counted: now, or the latest change if that is earlier."""
    now = timezone.now()
    latest: datetime | None = Generation.objects.aggregate(at=Max("changed_at"))["at"]
    return min(now, latest or now)


def _recount_changed_days(mark: RollUpMark, end: float) -> bool:
    """Recount the days that changed, latest first, and move the mark; return False if another pass was faster.

    The fingerprints are read before the days are counted: a change in between is then in a count without being in a
    fingerprint, and its day is counted once more.
    """
    at = _latest_change()
    old, new = Q(changed_at__gte=mark.start), Q(changed_at__gte=at - LOOK_BACK)
    rows = Generation.objects.filter(old | new).annotate(day=TruncDate("created_at")).order_by()
    # One statement: a change between two would be in the fingerprint although its day was not recounted.
    numbers: dict[str, Any] = {}
    for name, seen in (("old", old), ("new", new)):
        numbers[f"{name}_rows"] = Count("pk", filter=seen)
        numbers[f"{name}_versions"] = Coalesce(Sum("version", filter=seen), Value(0))
    found = {day: values for day, *values in rows.values_list("day").annotate(**numbers)}
    fingerprints = {day.isoformat(): values[2:] for day, values in found.items() if values[2]}
    changed = mark.days_unlike({day: values[:2] for day, values in found.items() if values[0]})
    since = mark.since
    for day in [day for day in reversed(changed) if since and day >= since]:
        if not mark.replace(day, day + ONE_DAY, group_tallies(count_videos((day, day + ONE_DAY)))):
            return False
        if time.monotonic() > end:
            # Too many for one pass: treat the others as never counted, and count them with the older days.
            since = day
            break
    if (at, fingerprints, since) == (mark.at, mark.fingerprints, mark.since):
        return True
    return mark.write(at=at, fingerprints=fingerprints, since=since)


def _count_older_days(mark: RollUpMark, end: float, chunk_size: int) -> bool:
    """Count the days before the mark, latest first and at least one chunk; return whether every day is covered."""
    while mark.since != BEGINNING:
        first = _first_day_of_chunk(mark.since, chunk_size)
        sums = group_tallies(count_videos((first, mark.since)))
        if not mark.replace(first, mark.since, sums, since=first):
            return False
        if time.monotonic() > end:
            return mark.since == BEGINNING
    return True


def _first_day_of_chunk(end: date | None, chunk_size: int) -> date:
    """Return the first day of the chunk that ends before `end` (None: at the latest video)."""
    rows = Generation.objects.filter(**created_in(None, end)).order_by("-created_at")
    first = rows.values_list("created_at", flat=True)[chunk_size : chunk_size + 1].first()
    return timezone.localdate(first) if first else BEGINNING


def _verify_chunk(mark: RollUpMark, chunk_size: int) -> None:
    """Compare the next chunk of sums with its videos; log and recount the days that differ.

    They differ only after clocks were apart by more than LOOK_BACK, or after rows were written by hand.
    """
    end = None if mark.verified_from in (None, BEGINNING) else mark.verified_from
    first = _first_day_of_chunk(end, chunk_size)
    with snapshot():
        if not RollUpMark.objects.filter(pk=1, version=mark.version).exists():
            return
        counted = {_values(row) for row in group_tallies(count_videos((first, end)))}
        stored = RollUp.objects.filter(day__gte=first, **({"day__lt": end} if end else {}))
        wrong = {day for day, *_ in counted ^ {_values(row) for row in stored}}
        if wrong:
            wrong -= set(mark.changed_days(min(wrong), max(wrong)))
    if not wrong:
        RollUpMark.objects.filter(pk=1, version=mark.version).update(verified_from=first)
        return
    logger.error("the usage sums of %s did not match their videos; recounting", ", ".join(map(str, sorted(wrong))))
    for day in wrong:
        mark.replace(day, day + ONE_DAY, group_tallies(count_videos((day, day + ONE_DAY))))


def _values(row: RollUp) -> tuple[date, str, str, str, int, int, int | None]:
    return row.day, row.by, row.key, row.state, row.videos, row.amount, row.latest
