"""What somebody says about themselves, and how they come in."""

import unicodedata

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.db import IntegrityError

from ..models import Invitation, Member, Theme
from ..models.member import HUES

TAKEN = "Somebody of the team has this name. Choose another one."
HUE_NAMES = ("Violet", "Green", "Red", "Blue", "Magenta", "Olive", "Cyan", "Brown")


def _words(value: str) -> str:
    """A name in one line, without what cannot be shown."""
    kept = "".join(letter for letter in unicodedata.normalize("NFC", value) if letter.isprintable())
    return " ".join(kept.split())


class ProfileForm(forms.ModelForm):
    first_name = forms.CharField(label="First name", required=False, max_length=150)
    last_name = forms.CharField(label="Last name", required=False, max_length=150)
    email = forms.EmailField(label="E-mail address", required=False, max_length=254)
    present_password = forms.CharField(required=False, strip=False, max_length=4096, widget=forms.PasswordInput)
    avatar_hue = forms.TypedChoiceField(
        label="Avatar colour",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[(str(number), name) for number, name in zip(range(HUES), HUE_NAMES, strict=True)],
    )
    theme = forms.ChoiceField(label="Theme", required=False, choices=Theme.choices)
    notify = forms.BooleanField(label="Tell me when my queue is empty", required=False)

    class Meta:
        model = Member
        fields = ("first_name", "last_name", "email", "avatar_hue", "theme", "notify")

    def clean_first_name(self) -> str:
        return _words(self.cleaned_data["first_name"])

    def clean_last_name(self) -> str:
        return _words(self.cleaned_data["last_name"])

    @property
    def changes_email(self) -> bool:
        return "email" in self.changed_data

    @property
    def wrong_password(self) -> bool:
        """Whether a present password was given and is not theirs."""
        return self.has_error("present_password", "wrong")

    def clean(self) -> dict:
        # A new address can receive a new password, so changing it takes what changing the password takes.
        if self.changes_email and not self.has_error("email"):
            given = self.cleaned_data.get("present_password", "")
            if not given:
                self.add_error("present_password", "Enter your present password to change the e-mail address.")
            elif not self.instance.check_password(given):
                error = forms.ValidationError("This is not your present password.", code="wrong")
                self.add_error("present_password", error)
        return super().clean()

    def save(self, commit: bool = True) -> Member:
        """Save what the form shows, and only that: the rest of the row goes on meanwhile."""
        self.instance.save(update_fields=[name for name in self.Meta.fields if name != "email"])
        return self.instance


class ChoicesForm(forms.Form):
    """One switch of the account menu: `theme` or `notify`, whichever was sent."""

    theme = forms.ChoiceField(required=False, choices=Theme.choices)
    notify = forms.BooleanField(required=False)

    def save_for(self, member: Member) -> None:
        chosen = {name: value for name, value in self.cleaned_data.items() if name in self.data}
        if chosen:
            Member.objects.filter(pk=member.pk).update(**chosen)


class ComingInForm(BaseUserCreationForm):
    """Whoever was invited chooses a name and a password."""

    first_name = forms.CharField(required=False, max_length=150)
    last_name = forms.CharField(required=False, max_length=150)

    class Meta:
        model = Member
        fields = ("username", "first_name", "last_name")

    def __init__(self, *args, invitation: Invitation, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitation
        for name, words in (
            ("username", "Choose a name to sign in with."),
            ("password1", "Choose a password."),
            ("password2", "Type the password once more."),
        ):
            self.fields[name].error_messages["required"] = words

    def clean_username(self) -> str:
        username = self.cleaned_data["username"]
        if Member.objects.filter(username__iexact=username).exists():
            raise forms.ValidationError(TAKEN)
        return username

    def clean_first_name(self) -> str:
        return _words(self.cleaned_data["first_name"])

    def clean_last_name(self) -> str:
        return _words(self.cleaned_data["last_name"])

    def save(self, commit: bool = True) -> Member | None:
        """Make the member; None when the link was used or revoked meanwhile, or the name taken: see `errors`."""
        member = super().save(commit=False)
        member.email = self.invitation.email
        try:
            return member if self.invitation.accept(member) else None
        except IntegrityError:
            self.add_error("username", TAKEN)
            return None


class ForgottenForm(forms.Form):
    """By name or address: whoever forgot the password may know only one of them."""

    email = forms.CharField(
        label="Username or e-mail address",
        max_length=254,
        error_messages={"required": "Say who you are: your username, or your e-mail address."},
    )
