"""The days a report covers, and the periods that its plots show."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ..models.generation.queryset import midnight

MAX_BARS = 62


@dataclass(frozen=True, slots=True)
class DateRange:
    """The days from `since` to `until`, both inclusive, in the team's time zone."""

    since: date
    until: date

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The moment the range starts, and the moment after it ends."""
        return midnight(self.since), midnight(self.until + timedelta(days=1))

    @property
    def step(self) -> str:
        """The period of one bar, long enough for MAX_BARS: "day", "week", "month" or "quarter"."""
        lengths = {"day": 1, "week": 7, "month": 30}
        return next((step for step, days in lengths.items() if self.days <= days * MAX_BARS), "quarter")

    def period_of(self, day: date) -> date:
        """Return the first day of the period that contains this day."""
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
    def months(self) -> "Iterator[DateRange]":
        """The same days, split at the end of each month."""
        since = self.since
        while since <= self.until:
            next_month = (since.replace(day=1) + timedelta(days=32)).replace(day=1)
            yield DateRange(since, min(self.until, next_month - timedelta(days=1)))
            since = next_month
