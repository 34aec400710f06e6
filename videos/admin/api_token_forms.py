"""Forms for API tokens; a secret that was entered is never shown again."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings

from ..forms.money import CreditsField
from ..media.download import NotAllowed, origin_of
from ..models import ApiToken
from ..models.amounts import shown


def validate_secret(secret: str) -> None:
    """Refuse a secret that cannot be sent in a header."""
    if not (secret.isascii() and secret.isprintable() and " " not in secret):
        raise forms.ValidationError("An API token has no spaces and only ASCII characters. Copy it again.")


class NumberInput(forms.TextInput):
    """A text field with the keyboard for numbers: wheels and arrow keys change an `<input type=number>` by accident."""

    def __init__(self, inputmode: str = "numeric") -> None:
        super().__init__({"class": "vIntegerField", "inputmode": inputmode, "autocomplete": "off"})


class SecretField(forms.CharField):
    def __init__(self, **kwargs: Any) -> None:
        widget = forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "off", "spellcheck": "false"})
        super().__init__(strip=True, max_length=1000, widget=widget, validators=[validate_secret], **kwargs)


class ApiTokenForm(forms.ModelForm):
    secret = SecretField(
        label="Token",
        error_messages={"required": "Enter the token."},
        help_text=(
            "From Ace Data Cloud's console: open the Luma videos service, acquire it, and copy the token under "
            "“Credentials”; a new account has a small free quota. Lumaweb stores it encrypted and never shows it again."
        ),
    )
    daily_limit = CreditsField(
        label="Daily limit",
        required=False,
        widget=NumberInput("decimal"),
        help_text="The most that may be sent with it in a day, in the budget's credits. Empty: no limit.",
    )

    class Meta:
        model = ApiToken
        fields = ("name", "base_url", "priority", "max_in_flight", "daily_limit", "enabled")
        widgets: ClassVar = {"priority": NumberInput(), "max_in_flight": NumberInput()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            # A new secret is a separate step, which asks the provider first.
            del self.fields["secret"]
        if "base_url" in self.fields:
            self.fields["base_url"].initial = settings.LUMA_BASE_URL

    def clean_base_url(self) -> str:
        base_url: str = self.cleaned_data["base_url"].rstrip("/")
        try:
            origin_of(base_url)
        except NotAllowed as reason:
            raise forms.ValidationError(str(reason)) from None
        return base_url

    def save(self, commit: bool = True) -> ApiToken:
        if secret := self.cleaned_data.get("secret"):
            self.instance.secret = secret
        token: ApiToken = super().save(commit)
        return token

    def describe_changes(self) -> list[str]:
        """Return each change in words for the audit log."""
        return [self._describe(name, self.initial.get(name), self.cleaned_data[name]) for name in self.changed_data]

    def _describe(self, name: str, before: Any, after: Any) -> str:
        if name == "enabled":
            return "resumed" if after else "paused"
        if name == "daily_limit":
            before, after = ("none" if amount is None else shown(amount) for amount in (before, after))
        return f"{str(self.fields[name].label).lower()} is now {after}, it was {before}"


class RotateForm(forms.Form):
    secret = SecretField(
        label="New token",
        help_text="A token of the same provider and account. The current one is deleted at once.",
    )
    anyway = forms.BooleanField(
        label="Use it even if the provider cannot be reached",
        required=False,
        help_text="A token that the provider refuses is never used.",
    )
