"""The platform token, which reads the balance: it is never rendered again."""

import re
from typing import Any

from django import forms

from .. import provider
from ..media.download import NotAllowed, origin_of
from ..models import ApiToken
from .money import CreditsField

MAX_LENGTH = 1000
DEFAULT_WARNING = "50"  # credits, about a dozen videos
# What consoles, chats and headers put around a token.
_AROUND = " \t\r\n\"'`“”‘’«»,;\u200b\ufeff\u00a0"
_PREFIX = re.compile(r"^(?:authorization[\"']?\s*[:=]\s*)?[\"']?bearer[\s:]+", re.IGNORECASE)


def clean_platform_token(text: str) -> str:
    """Return the token in a pasted text, without quotes and "Bearer"; raise ValidationError."""
    token = _PREFIX.sub("", text.strip(_AROUND)).strip(_AROUND)
    if not token:
        raise forms.ValidationError("Enter the platform token.")
    if len(token) > MAX_LENGTH or not re.fullmatch(r"[!-~]+", token):
        raise forms.ValidationError("A platform token has no spaces and only ASCII characters. Copy it again.")
    return token


class PlatformTokenForm(forms.Form):
    """A platform token, its address, and the balance below which to warn; both have defaults if they are empty."""

    token = forms.CharField(label="Platform token", required=False, strip=False)
    base_url = forms.CharField(label="Platform’s address", max_length=300, required=False)
    warn_below = CreditsField(label="Warn below", required=False)

    def clean_token(self) -> str:
        return clean_platform_token(self.cleaned_data["token"])

    def clean_base_url(self) -> str:
        base_url: str = self.cleaned_data["base_url"].strip(_AROUND).rstrip("/") or default_platform()
        try:
            origin_of(base_url)
        except NotAllowed as reason:
            raise forms.ValidationError(str(reason)) from None
        return base_url


class BalanceWarningForm(forms.Form):
    """The balance below which to warn; empty for never."""

    warn_below = CreditsField(label="Warn below", required=False)


def default_platform() -> str:
    """Return the platform of the provider that new videos go to."""
    return provider.platform_url(ApiToken.objects.current_provider() or provider.PUBLIC_BASE_URL)


def new_platform_token_form(warn_below: Any = DEFAULT_WARNING) -> PlatformTokenForm:
    return PlatformTokenForm(initial={"base_url": default_platform(), "warn_below": warn_below})
