"""The first admin."""

import secrets

from django import forms
from django.conf import settings
from django.contrib.auth.forms import BaseUserCreationForm
from django.db import transaction
from django.utils import timezone

from ..models import Lease, Member


class SetupForm(BaseUserCreationForm):
    """The first admin."""

    code = forms.CharField(required=False, strip=True)

    class Meta:
        model = Member
        fields = ("username",)

    def __init__(self, *args, code: str = "", **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.expected_code = code
        for name, words in (
            ("username", "Choose a name to sign in with."),
            ("password1", "Choose a password."),
            ("password2", "Type the password once more."),
        ):
            self.fields[name].error_messages["required"] = words

    def clean_code(self) -> str:
        code = self.cleaned_data["code"]
        right = bool(self.expected_code) and secrets.compare_digest(code.encode(), self.expected_code.encode())
        if not right and not settings.ON_LOOPBACK:
            raise forms.ValidationError("This is not the code that was printed when Lumaweb started.")
        return code

    def save(self, commit: bool = True) -> Member | None:
        """Make the first member an admin; None when somebody else was faster."""
        member = super().save(commit=False)
        member.is_staff = member.is_superuser = True
        with transaction.atomic():
            # Whoever holds this row first is the winner: the other sees a member when its turn comes.
            Lease.objects.get_or_create(name="setup", defaults={"holder": "", "until": timezone.now()})
            Lease.objects.select_for_update().get(name="setup")
            if Member.objects.exists():
                return None
            member.save()
        return member
