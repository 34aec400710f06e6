"""Which backups to keep: those of the last 24 hours, and the latest of each day and of each week."""

from collections.abc import Collection, Hashable, Mapping
from datetime import date, datetime, timedelta
from typing import TypeVar

from django.utils import timezone

# Several may be made within a day, as before an update.
ALL_WITHIN = timedelta(days=1)

Key = TypeVar("Key", bound=Hashable)


def to_keep(
    moments: Mapping[Key, datetime], *, daily: int, weekly: int, damaged: Collection[Key] = frozenset()
) -> set[Key]:
    """Select the latest backup of each of the last `daily` days that have one, and likewise of the last weeks.

    Counts days with a backup, not calendar days: after a long pause the old ones are still there. Keeps also all within
    24 hours before the newest. A damaged backup never takes the place of an intact one, only a place that would stay
    empty: it may hold data that no other backup has.
    """
    if not moments:
        return set()
    best_first = sorted(moments, key=lambda key: (key not in damaged, moments[key]), reverse=True)
    newest = max(moments.values())
    recent = [key for key, at in moments.items() if newest - at < ALL_WITHIN]
    days: dict[Hashable, Key] = {}
    weeks: dict[Hashable, Key] = {}
    for key in best_first:
        day = timezone.localtime(moments[key]).date()
        days.setdefault(day, key)
        weeks.setdefault(_week_of(day), key)
    return {*recent, *_first(days.values(), daily), *_first(weeks.values(), weekly)}


def _week_of(day: date) -> tuple[int, int]:
    year, week, _ = day.isocalendar()
    return year, week


def _first(keys: Collection[Key], count: int) -> list[Key]:
    return list(keys)[:count]
