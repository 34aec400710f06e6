"""The account of the first admin."""

import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import BaseUserCreationForm
from django.db import transaction
from django.utils import timezone

from ..models import Lease, Member
from .account import set_required_messages
from .fields import single_line


class SetupForm(BaseUserCreationForm):
    """The first admin's username, name and password; beyond loopback also the one-time code.

    Without a password if password sign-in is off: the admin then links the account of another way to sign in.
    """

    first_name = forms.CharField(required=False, max_length=150)
    code = forms.CharField(required=False, strip=True)

    class Meta:
        model = Member
        fields = ("username", "first_name")

    def __init__(self, *args: Any, code: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected_code = code
        if not settings.PASSWORD_SIGN_IN:
            del self.fields["password1"], self.fields["password2"]
        set_required_messages(self)

    def clean_first_name(self) -> str:
        return single_line(self.cleaned_data["first_name"])

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        is_right = bool(self.expected_code) and secrets.compare_digest(code.encode(), self.expected_code.encode())
        if not is_right and not settings.ON_LOOPBACK:
            raise forms.ValidationError("This is not the code that Lumaweb printed when it started.")
        return code

    def save(self, commit: bool = True) -> Member | None:
        """Create the first member as an admin; None if another request did so first."""
        member: Member
        if "password1" in self.fields:
            member = super().save(commit=False)
        else:
            member = self.instance
            member.set_unusable_password()
        member.is_staff = member.is_superuser = True
        with transaction.atomic():
            # The row lock decides between two requests: the second finds a member when it gets the lock.
            Lease.objects.get_or_create(name="setup", defaults={"holder": "", "until": timezone.now()})
            Lease.objects.select_for_update().get(name="setup")
            if Member.objects.exists():
                return None
            member.save()
        return member
