"""A member's profile, preferences and password, and the form behind an invitation."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import BaseUserCreationForm
from django.db import IntegrityError

from ..models import CardSize, Invitation, Member, Theme
from ..models.member import HUES
from .fields import single_line

NAME_TAKEN = "This username is taken. Choose another one."
HUE_NAMES = ("Violet", "Green", "Red", "Blue", "Magenta", "Olive", "Cyan", "Brown")
REQUIRED_MESSAGES = {
    "username": "Choose a username.",
    "password1": "Choose a password.",
    "password2": "Enter the password again.",
}


def set_required_messages(form: forms.BaseForm) -> None:
    """Say what is missing where a new account's form has an empty field."""
    for name, message in REQUIRED_MESSAGES.items():
        if name in form.fields:
            form.fields[name].error_messages["required"] = message


class ProfileForm(forms.ModelForm):
    first_name = forms.CharField(label="First name", required=False, max_length=150)
    last_name = forms.CharField(label="Last name", required=False, max_length=150)
    email = forms.EmailField(label="Email address", required=False, max_length=254)
    current_password = forms.CharField(required=False, strip=False, max_length=4096, widget=forms.PasswordInput)
    avatar_hue = forms.TypedChoiceField(
        label="Avatar color",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[(str(number), name) for number, name in zip(range(HUES), HUE_NAMES, strict=True)],
    )
    theme = forms.ChoiceField(label="Theme", required=False, choices=Theme.choices)
    notify = forms.BooleanField(required=False)

    class Meta:
        model = Member
        fields = ("first_name", "last_name", "email", "avatar_hue", "theme", "notify")

    def clean_first_name(self) -> str:
        return single_line(self.cleaned_data["first_name"])

    def clean_last_name(self) -> str:
        return single_line(self.cleaned_data["last_name"])

    @property
    def changes_email(self) -> bool:
        return "email" in self.changed_data

    @property
    def has_wrong_password(self) -> bool:
        return self.has_error("current_password", "wrong")

    def clean(self) -> dict[str, Any] | None:
        # A new address can receive a link to a new password, so changing it takes the current password too.
        needs_password = settings.PASSWORD_SIGN_IN and self.instance.has_usable_password()
        if self.changes_email and needs_password and not self.has_error("email"):
            given = self.cleaned_data.get("current_password", "")
            if not given:
                self.add_error("current_password", "Enter your current password to change the email address.")
            elif not self.instance.check_password(given):
                error = forms.ValidationError("This is not your current password.", code="wrong")
                self.add_error("current_password", error)
        return super().clean()

    def save(self, commit: bool = True) -> Member:
        """Save only the fields that the form shows: other columns of the row change meanwhile."""
        member: Member = self.instance
        member.save(update_fields=[name for name in self._meta.fields or () if name != "email"])
        return member


class PreferencesForm(forms.Form):
    """The switches of the account menu and the gallery; only those that were sent change."""

    theme = forms.ChoiceField(required=False, choices=Theme.choices)
    notify = forms.BooleanField(required=False)
    card_size = forms.ChoiceField(required=False, choices=CardSize.choices)

    def clean_card_size(self) -> str:
        return self.cleaned_data["card_size"] or CardSize.MEDIUM

    def save_for(self, member: Member) -> None:
        chosen = {name: value for name, value in self.cleaned_data.items() if name in self.data}
        if chosen:
            Member.objects.filter(pk=member.pk).update(**chosen)
            for name, value in chosen.items():
                setattr(member, name, value)


class AcceptInvitationForm(BaseUserCreationForm):
    """The username, name and password of an invited member."""

    first_name = forms.CharField(required=False, max_length=150)
    last_name = forms.CharField(required=False, max_length=150)

    class Meta:
        model = Member
        fields = ("username", "first_name", "last_name")

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitation
        set_required_messages(self)

    def clean_username(self) -> str:
        username: str = self.cleaned_data["username"]
        if Member.objects.filter(username__iexact=username).exists():
            raise forms.ValidationError(NAME_TAKEN)
        return username

    def clean_first_name(self) -> str:
        return single_line(self.cleaned_data["first_name"])

    def clean_last_name(self) -> str:
        return single_line(self.cleaned_data["last_name"])

    def save(self, commit: bool = True) -> Member | None:
        """Create the member; None if the link was used or revoked meanwhile, or the username taken: see `errors`."""
        member: Member = super().save(commit=False)
        member.email = self.invitation.email
        try:
            return member if self.invitation.accept(member) else None
        except IntegrityError:
            self.add_error("username", NAME_TAKEN)
            return None


class PasswordResetForm(forms.Form):
    """The username or the address of a member who forgot the password."""

    email = forms.CharField(
        label="Username or email address",
        max_length=254,
        error_messages={"required": "Enter your username or email address."},
    )
