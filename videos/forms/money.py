"""Amounts as people type them: credits outside, whole thousandths of a credit inside."""

from decimal import Decimal

from django import forms
from django.db import transaction

from ..models import AuditEntry, Member, Pricing
from ..models.amounts import CREDIT, shown

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


class TermsForm(forms.ModelForm):
    """What a video costs, and the limits for everybody."""

    per_generate = CreditsField(label="A new video")
    per_extend = CreditsField(label="An extension")
    currency = forms.CharField(label="Called", max_length=20, help_text="The word after an amount: credits, USD, €.")
    team_limit = CreditsField(label="The whole team", required=False, help_text="Empty: no limit.")
    member_limit = CreditsField(
        label="Each member", required=False, help_text="Empty: no limit. Exceptions are set with the member."
    )

    class Meta:
        model = Pricing
        fields = ("per_generate", "per_extend", "currency", "team_limit", "member_limit")

    def clean_currency(self) -> str:
        word = " ".join(self.cleaned_data["currency"].split())
        if not word.isprintable():
            raise forms.ValidationError("Use letters and signs that can be printed.")
        return word

    def save_by(self, member: Member) -> bool:
        """Store what was changed, and write down by whom; False where nothing was."""
        changed = {name: self.cleaned_data[name] for name in self.changed_data}
        if not changed:
            return False
        with transaction.atomic():
            Pricing.objects.update_or_create(pk=1, defaults=changed)
            for name, value in changed.items():
                now = value if name == "currency" else "no limit" if value is None else shown(value)
                AuditEntry.objects.record(member, f"Budget: {self.fields[name].label.lower()} is now {now}.")
        return True
