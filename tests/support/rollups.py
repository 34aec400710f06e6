"""Videos of several days, and their sums counted from the rows."""

import logging
from collections import Counter
from datetime import date, timedelta

from django.db.models import F
from django.utils import timezone

from videos.models import Generation, Member, RollUpMark
from videos.models.budget import RESERVED, SPENT
from videos.models.rollup import BEGINNING
from videos.reports import rollup_pass, rollups
from videos.reports.periods import DateRange
from videos.reports.usage import OUTCOMES, Sums, report

from .factories import a_generation

DAYS = 12

SMALL_CHUNK = 3


def today() -> date:
    return timezone.localdate()


def asked(member: Member, days_ago: int = 0, **extra) -> Generation:
    """Create a generation submitted on another day, which nothing in the product can do."""
    row = a_generation(member, **extra)
    Generation.objects.filter(submission=row.submission).update(created_at=timezone.now() - timedelta(days=days_ago))
    return Generation.objects.get(pk=row.pk)


def counted_by_hand(within: DateRange) -> tuple:
    """Count everything that the page shows from the rows."""
    sums: dict[tuple, Counter] = {}
    failed: Counter = Counter()
    latest: dict[str, int] = {}
    for row in Generation.objects.select_related("token").order_by("pk"):
        day = timezone.localdate(row.created_at)
        if not within.since <= day <= within.until:
            continue
        for key in (("day", day), ("member", row.member_id), ("token", row.token_id)):
            one = sums.setdefault(key, Counter())
            one[OUTCOMES.get(row.state, "open")] += 1
            one["simulated" if row.is_simulated else "spent"] += row.amount if row.state in SPENT else 0
            one["simulated videos"] += row.is_simulated
            one["reserved"] += row.amount if row.state in RESERVED else 0
        if row.state == "failed":
            failed[row.error_code] += 1
            if not row.trashed_at:
                latest[row.error_code] = row.pk
    return {key: +one for key, one in sums.items()}, failed, latest


def amounts_of(one: Sums) -> dict[str, int]:
    return {
        "spent": one.spent,
        "reserved": one.reserved,
        "simulated": one.simulated_amount,
        "simulated videos": one.simulated,
    }


def reported(within: DateRange) -> tuple:
    """Return the same figures from the models."""
    found = report(within)
    kinds = {"day": found.days, "member": found.members, "token": found.tokens}
    sums = {
        (kind, key): +(one.videos + Counter(amounts_of(one)))
        for kind, those in kinds.items()
        for key, one in those.items()
    }
    failed: Counter = Counter()
    latest: dict[str, int] = {}
    for row in rollups.read_totals(within.since, within.until)["failure"]:
        failed[row.key] += row.videos
        if row.latest:
            latest[row.key] = max(row.latest, latest.get(row.key, 0))
    assert sum(failure.videos for failure in found.failures) == failed.total()
    return sums, failed, latest


def is_exact() -> None:
    day = timedelta(days=1)
    for since, until in (
        (date(2001, 1, 1), today() + 2 * day),
        (today() - 5 * day, today() - 2 * day),
    ):
        within = DateRange(since, until)
        assert reported(within) == counted_by_hand(within), (since, until)


def an_hour_passes() -> None:
    """Make all rows and the mark one hour older, within the same days."""
    an_hour = timedelta(hours=1)
    Generation.objects.update(changed_at=F("changed_at") - an_hour)
    RollUpMark.objects.update(at=F("at") - an_hour)


def is_rolled_up() -> bool:
    """Return True if nothing has to be counted from the rows."""
    mark = RollUpMark.current()
    return bool(mark and mark.since == BEGINNING and not mark.changed_days(date(2001, 1, 1), date(2999, 1, 1)))


class NoCorrections(logging.Handler):
    """Fail if a pass corrects a sum: only wrong clocks need corrections, and none are wrong here."""

    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage())

    def __enter__(self) -> None:
        rollup_pass.logger.addHandler(self)

    def __exit__(self, *_) -> None:
        rollup_pass.logger.removeHandler(self)


ZONES = ("UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Chatham")
