"""What somebody says about themselves, and how they come in."""

import unicodedata
from datetime import timedelta

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.forms import PasswordResetForm as DjangoPasswordResetForm
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from ..models import Change, Invitation, Member, Theme
from ..models.member import HUES

MAILED = "A link to a new password was mailed."
AGAIN_AFTER = timedelta(minutes=15)
HUE_NAMES = ("Violet", "Green", "Red", "Blue", "Magenta", "Olive", "Cyan", "Brown")


def _words(value: str) -> str:
    """A name in one line, without what cannot be shown."""
    kept = "".join(letter for letter in unicodedata.normalize("NFC", value) if letter.isprintable())
    return " ".join(kept.split())


class ProfileForm(forms.ModelForm):
    first_name = forms.CharField(label="First name", required=False, max_length=150)
    last_name = forms.CharField(label="Last name", required=False, max_length=150)
    email = forms.EmailField(label="E-mail address", required=False, max_length=254)
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

    def save(self, commit: bool = True) -> Member:
        # Only what the form shows: the rest of the row goes on meanwhile.
        self.instance.save(update_fields=self.Meta.fields)
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
            raise forms.ValidationError("Somebody of the team has this name. Choose another one.")
        return username

    def clean_first_name(self) -> str:
        return _words(self.cleaned_data["first_name"])

    def clean_last_name(self) -> str:
        return _words(self.cleaned_data["last_name"])

    def save(self, commit: bool = True) -> Member | None:
        """Make the member; None when the link was used or revoked meanwhile."""
        member = super().save(commit=False)
        member.email = self.invitation.email
        return member if self.invitation.accept(member) else None


class NewPasswordForm(DjangoPasswordResetForm):
    """By name or address: whoever forgot the password may know only one of them."""

    email = forms.CharField(label="Username or e-mail address", max_length=254)

    def get_users(self, email: str):
        """Who gets a mail: nobody a second time within a quarter of an hour, whoever asks for it."""
        known = Member.objects.filter(Q(email__iexact=email) | Q(username__iexact=email), is_active=True)
        lately = Change.objects.filter(about=OuterRef("pk"), text=MAILED, at__gt=timezone.now() - AGAIN_AFTER)
        return [member for member in known.exclude(Exists(lately)).exclude(email="") if member.has_usable_password()]

    def send_mail(self, subject, email, context, from_email, to_email, html_email_template_name=None) -> None:
        Change.objects.note(None, MAILED, about=context["user"])
        super().send_mail(subject, email, context, from_email, to_email, html_email_template_name)
