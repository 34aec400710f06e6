"""The provider page: connect a provider, change a token's settings, replace its secret. No secret is rendered."""

from typing import Any

from django import forms
from django.conf import settings

from ..jobs.connecting import Waiting
from ..models import ApiToken
from ..models.amounts import shown
from .fields import single_line
from .money import CreditsField
from .secrets import clean_base_url, clean_token

MAX_AT_ONCE = 10_000
MAX_PRIORITY = 1000


class TokenField(forms.CharField):
    """An API token, without quotes or a header's name around it; never rendered again."""

    widget = forms.PasswordInput(render_value=False)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, required=False, **kwargs)

    def clean(self, value: Any) -> str:
        return clean_token(value or "")


class ConnectForm(forms.Form):
    """The token to connect with, its limits, and the choice for videos that wait for another provider."""

    token = TokenField(label="API token")
    name = forms.CharField(label="Name", max_length=80, required=False)
    base_url = forms.CharField(label="Provider’s address", max_length=300, required=False)
    max_in_flight = forms.IntegerField(
        label="At the same time", min_value=1, max_value=MAX_AT_ONCE, required=False, initial=5
    )
    daily_limit = CreditsField(label="A day", required=False)
    waiting = forms.TypedChoiceField(
        choices=Waiting.choices, required=False, coerce=Waiting, empty_value=Waiting.CANCEL, initial=Waiting.CANCEL
    )

    def clean_name(self) -> str:
        return single_line(self.cleaned_data["name"]) or "Luma"

    def clean_base_url(self) -> str:
        address: str = self.cleaned_data["base_url"].strip()
        return clean_base_url(address) if address else settings.LUMA_BASE_URL

    def clean_max_in_flight(self) -> int:
        return self.cleaned_data["max_in_flight"] or 5


class SecretForm(forms.Form):
    """A new secret for a token."""

    token = TokenField(label="New token")


class TokenSettingsForm(forms.ModelForm):
    """A token's name and limits."""

    name = forms.CharField(label="Name", max_length=80)
    max_in_flight = forms.IntegerField(label="At the same time", min_value=1, max_value=MAX_AT_ONCE)
    daily_limit = CreditsField(label="A day", required=False)
    priority = forms.IntegerField(label="Order", min_value=0, max_value=MAX_PRIORITY)

    class Meta:
        model = ApiToken
        fields = ("name", "max_in_flight", "daily_limit", "priority")

    def clean_name(self) -> str:
        name = single_line(self.cleaned_data["name"])
        if not name:
            raise forms.ValidationError("Enter a name.")
        return name

    def describe_changes(self) -> list[str]:
        """Return each change in words for the audit log."""
        return [
            f"{str(self.fields[name].label).lower()} is now {_worded(self.cleaned_data[name], name)}, "
            f"it was {_worded(self.initial.get(name), name)}"
            for name in self.changed_data
        ]


def _worded(value: Any, field: str) -> str:
    if field == "daily_limit":
        return "none" if value is None else shown(value)
    return str(value)
