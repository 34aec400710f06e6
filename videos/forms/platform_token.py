"""The platform token, which reads the balance: it is never rendered again."""

from typing import Any

from django import forms

from .. import provider
from ..models import ApiToken
from .money import CreditsField
from .secrets import clean_base_url, clean_secret

DEFAULT_WARNING = "50"  # credits, about a dozen videos


class PlatformTokenForm(forms.Form):
    """A platform token, its address, and the balance below which to warn; both have defaults if they are empty."""

    token = forms.CharField(label="Platform token", required=False, strip=False)
    base_url = forms.CharField(label="Platform’s address", max_length=300, required=False)
    warn_below = CreditsField(label="Warn below", required=False)

    def clean_token(self) -> str:
        return clean_secret(self.cleaned_data["token"])

    def clean_base_url(self) -> str:
        address: str = self.cleaned_data["base_url"].strip()
        return clean_base_url(address) if address else default_platform()


class BalanceWarningForm(forms.Form):
    """The balance below which to warn; empty for never."""

    warn_below = CreditsField(label="Warn below", required=False)


def default_platform() -> str:
    """Return the platform of the provider that new videos go to."""
    return provider.platform_url(ApiToken.objects.current_provider() or provider.PUBLIC_BASE_URL)


def new_platform_token_form(warn_below: Any = DEFAULT_WARNING) -> PlatformTokenForm:
    return PlatformTokenForm(initial={"base_url": default_platform(), "warn_below": warn_below})
