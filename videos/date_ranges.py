"""Ranges of days in the team's calendar, which the gallery's date filter offers."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.utils import timezone
from django.utils.formats import date_format

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DateRange:
    """Days from `since` to `until`, both included; None: no limit. phrase: the label for a sentence."""

    since: date | None
    until: date | None
    label: str
    phrase: str


def preset_ranges(today: date | None = None) -> list[DateRange]:
    """List the ranges that a menu offers; a week begins on Monday. `today` defaults to the team's."""
    today = today or timezone.localdate()
    monday, first = today - timedelta(days=today.weekday()), today.replace(day=1)
    yesterday, end_of_month = today - ONE_DAY, first - ONE_DAY
    return [
        DateRange(today, None, "Today", "from today"),
        DateRange(yesterday, yesterday, "Yesterday", "from yesterday"),
        DateRange(today - timedelta(days=6), None, "Last 7 days", "from the last 7 days"),
        DateRange(monday - timedelta(days=7), monday - ONE_DAY, "Last week", "from last week"),
        DateRange(today - timedelta(days=29), None, "Last 30 days", "from the last 30 days"),
        DateRange(end_of_month.replace(day=1), end_of_month, "Last month", "from last month"),
    ]


def name_range(since: date | None, until: date | None) -> DateRange | None:
    """Return this range with its name: that of a preset, or its dates; None if it has no limit."""
    for preset in preset_ranges():
        if (preset.since, preset.until) == (since, until):
            return preset
    if since and until and since != until:
        label = f"{_shown(since)} to {_shown(until)}"
        return DateRange(since, until, label, f"from {label}")
    if since:
        label = f"on {_shown(since)}" if until else f"since {_shown(since)}"
    elif until:
        label = f"until {_shown(until)}"
    else:
        return None
    return DateRange(since, until, label, label)


def _shown(day: date) -> str:
    return date_format(day, "j M" if day.year == timezone.localdate().year else "j M Y")
