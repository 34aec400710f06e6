"""Prices and limits. Members type credits; the forms clean them to whole thousandths of a credit."""

from decimal import Decimal
from typing import Any

from django import forms
from django.db import transaction

from ..models import AuditEntry, Member, Pricing
from ..models.amounts import CREDIT, shown

MAX_CREDITS = 1_000_000_000


class CreditsField(forms.DecimalField):
    """An amount in credits with up to three decimals; cleans to thousandths (int), or None if it is empty."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": MAX_CREDITS, "decimal_places": 3} | kwargs)

    def clean(self, value: Any) -> int | None:
        amount = super().clean(value)
        return None if amount is None else int(amount * CREDIT)

    def prepare_value(self, value: Any) -> Any:
        # Text that a member entered is shown unchanged; a stored amount is shown in credits.
        return shown(value).replace(",", "") if isinstance(value, int) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(None if initial is None else Decimal(initial) / CREDIT, data)


class PricingForm(forms.ModelForm):
    """The prices of videos, and the limits that apply to everyone."""

    per_generate = CreditsField(label="A new video")
    per_extend = CreditsField(label="An extension")
    currency = forms.CharField(label="Unit", max_length=20, help_text="Shown after each amount: credits, USD, €.")
    team_limit = CreditsField(label="The whole team", required=False, help_text="Empty: no limit.")
    member_limit = CreditsField(
        label="Each member", required=False, help_text="Empty: no limit. Set exceptions on a member's page."
    )

    class Meta:
        model = Pricing
        fields = ("per_generate", "per_extend", "currency", "team_limit", "member_limit")

    def clean_currency(self) -> str:
        currency = " ".join(self.cleaned_data["currency"].split())
        if not currency.isprintable():
            raise forms.ValidationError("Use printable characters only.")
        return currency

    def save_by(self, member: Member) -> bool:
        """Save the changed fields and record them in the audit log; return whether anything changed."""
        changed = {name: self.cleaned_data[name] for name in self.changed_data}
        if not changed:
            return False
        with transaction.atomic():
            Pricing.objects.update_or_create(pk=1, defaults=changed)
            for name, value in changed.items():
                text = value if name == "currency" else "no limit" if value is None else shown(value)
                label = str(self.fields[name].label).lower()
                AuditEntry.objects.record(member, f"Budget: {label} is now {text}.")
        return True
