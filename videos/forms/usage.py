"""Which days somebody wants to see."""

from datetime import date, timedelta

from django import forms
from django.utils import timezone

from ..reports.periods import DateRange

DAYS_AT_MOST = 10 * 366


def presets(today: date | None = None) -> dict[str, DateRange]:
    """The ranges most people want, by name."""
    today = today or timezone.localdate()
    month = today.replace(day=1)
    before = month - timedelta(days=1)
    return {
        "7 days": DateRange(today - timedelta(days=6), today),
        "30 days": DateRange(today - timedelta(days=29), today),
        "This month": DateRange(month, today),
        "Last month": DateRange(before.replace(day=1), before),
        "This year": DateRange(today.replace(month=1, day=1), today),
    }


def when_there_may_be_videos(day: date) -> None:
    """Refuse a day whose midnight, or that of the next, may be none that databases know."""
    if not 2000 <= day.year <= 2999:
        raise forms.ValidationError("There were no videos in that year.")


class RangeForm(forms.Form):
    """Two days; without them the latest thirty."""

    since = forms.DateField(
        required=False,
        validators=[when_there_may_be_videos],
        error_messages={"invalid": "The first day is no date such as 2026-11-01."},
    )
    until = forms.DateField(
        required=False,
        validators=[when_there_may_be_videos],
        error_messages={"invalid": "The last day is no date such as 2026-11-30."},
    )

    def clean(self) -> dict:
        data = super().clean()
        within = self._within(data)
        if within.days < 1:
            raise forms.ValidationError("The last day comes before the first.")
        if within.days > DAYS_AT_MOST:
            raise forms.ValidationError("That is more than ten years. Choose fewer days.")
        return data

    @staticmethod
    def _within(data: dict) -> DateRange:
        until = data.get("until") or max(timezone.localdate(), data.get("since") or date.min)
        return DateRange(data.get("since") or until - timedelta(days=29), until)

    @property
    def range(self) -> DateRange:
        """What was asked for; the latest thirty days where that cannot be."""
        return self._within(self.cleaned_data) if self.is_valid() else presets()["30 days"]
