"""The days of a usage report."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from ..reports.periods import DateRange

MAX_DAYS = 10 * 366
ONE_DAY = timedelta(days=1)


def presets(today: date | None = None) -> dict[str, DateRange]:
    """Return the common ranges by name."""
    today = today or timezone.localdate()
    first_of_month = today.replace(day=1)
    last_month_end = first_of_month - timedelta(days=1)
    return {
        "7 days": DateRange(today - timedelta(days=6), today),
        "30 days": DateRange(today - timedelta(days=29), today),
        "This month": DateRange(first_of_month, today),
        "Last month": DateRange(last_month_end.replace(day=1), last_month_end),
        "This year": DateRange(today.replace(month=1, day=1), today),
    }


def validate_year(day: date) -> None:
    """Refuse a day whose midnight, or the next one, databases may not be able to represent."""
    if not 2000 <= day.year <= 2999:
        raise forms.ValidationError("There are no videos in that year.")


class RangeForm(forms.Form):
    """Two days; by default the latest thirty."""

    since = forms.DateField(
        required=False,
        validators=[validate_year],
        error_messages={"invalid": "Enter the first day as a date such as 2026-11-01."},
    )
    until = forms.DateField(
        required=False,
        validators=[validate_year],
        error_messages={"invalid": "Enter the last day as a date such as 2026-11-30."},
    )

    def clean(self) -> dict[str, Any]:
        super().clean()
        within = self._range_of(self.cleaned_data)
        if within.days < 1:
            raise forms.ValidationError("The last day is before the first.")
        if within.days > MAX_DAYS:
            raise forms.ValidationError("That is more than ten years. Choose fewer days.")
        return self.cleaned_data

    @staticmethod
    def _range_of(values: dict[str, Any]) -> DateRange:
        until = values.get("until") or max(timezone.localdate(), values.get("since") or date.min)
        return DateRange(values.get("since") or until - timedelta(days=29), until)

    @property
    def range(self) -> DateRange:
        """The chosen range; the latest thirty days if it is invalid."""
        return self._range_of(self.cleaned_data) if self.is_valid() else presets()["30 days"]
