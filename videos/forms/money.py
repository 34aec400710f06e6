"""Amounts as people type them: credits outside, whole thousandths of a credit inside."""

from decimal import Decimal

from django import forms

from ..models.budget import CREDIT, shown

MOST = 1_000_000_000  # credits


class CreditsField(forms.DecimalField):
    """An amount in credits with up to three decimals; cleans to thousandths (int), or None where it is empty."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**{"min_value": 0, "max_value": MOST, "decimal_places": 3} | kwargs)

    def clean(self, value):
        amount = super().clean(value)
        return None if amount is None else int(amount * CREDIT)

    def prepare_value(self, value):
        # What was typed comes back as it was; what is stored is shown in credits.
        return shown(value).replace(",", "") if isinstance(value, int) else value

    def has_changed(self, initial, data) -> bool:
        return super().has_changed(None if initial is None else Decimal(initial) / CREDIT, data)
