"""Ranges of days for the gallery's date filter."""

from datetime import UTC, date, datetime

import pytest
from django.utils import timezone

from videos import date_ranges
from videos.date_ranges import name_range, preset_ranges


@pytest.mark.parametrize(
    ("today", "label", "since", "until"),
    [
        (date(2026, 11, 25), "Today", date(2026, 11, 25), None),
        (date(2026, 3, 1), "Yesterday", date(2026, 2, 28), date(2026, 2, 28)),
        (date(2026, 11, 25), "Last 7 days", date(2026, 11, 19), None),
        (date(2026, 11, 25), "Last week", date(2026, 11, 16), date(2026, 11, 22)),
        (date(2026, 11, 23), "Last week", date(2026, 11, 16), date(2026, 11, 22)),
        (date(2026, 11, 29), "Last week", date(2026, 11, 16), date(2026, 11, 22)),
        (date(2027, 1, 2), "Last week", date(2026, 12, 21), date(2026, 12, 27)),
        (date(2026, 3, 31), "Last month", date(2026, 2, 1), date(2026, 2, 28)),
        (date(2028, 3, 1), "Last month", date(2028, 2, 1), date(2028, 2, 29)),
        (date(2027, 1, 15), "Last month", date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_presets_are_days_of_the_calendar(today, label, since, until):
    found = next(one for one in preset_ranges(today) if one.label == label)
    assert (found.since, found.until) == (since, until)


def test_today_is_the_team_s(settings, monkeypatch):
    settings.TIME_ZONE = "Pacific/Auckland"
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 11, 25, 12, tzinfo=UTC))
    assert preset_ranges()[0].since == date(2026, 11, 26)


def test_every_range_has_a_name(monkeypatch):
    monkeypatch.setattr(date_ranges.timezone, "localdate", lambda: date(2026, 11, 25))
    for preset in preset_ranges():
        assert name_range(preset.since, preset.until) == preset
    names = [
        name_range(date(2026, 11, 3), date(2026, 11, 9)),
        name_range(date(2026, 11, 3), date(2026, 11, 3)),
        name_range(date(2026, 11, 3), None),
        name_range(None, date(2025, 11, 3)),
    ]
    assert [one.label for one in names] == ["3 Nov to 9 Nov", "on 3 Nov", "since 3 Nov", "until 3 Nov 2025"]
    assert name_range(None, None) is None
