"""Invitations, and a member's monthly limit."""

from typing import Any

from django import forms

from ..models import Invitation, Member
from .money import CreditsField


class InviteForm(forms.Form):
    email = forms.EmailField(label="Email address", required=False, max_length=254)
    as_admin = forms.BooleanField(label="As an admin", required=False)

    def save_by(self, admin: Member) -> tuple[Invitation, str]:
        """Create the invitation; return it with the key of its link."""
        return Invitation.objects.invite(admin, **self.cleaned_data)


class LimitForm(forms.Form):
    """A member's monthly limit: the team's default, a custom one, or none."""

    kind = forms.ChoiceField(choices=[("default", "Team default"), ("own", "Custom limit"), ("none", "No limit")])
    limit = CreditsField(label="Credits a month", required=False)

    def clean(self) -> dict[str, Any]:
        super().clean()
        values = self.cleaned_data
        if values.get("kind") == "own" and values.get("limit") is None and "limit" not in self.errors:
            self.add_error("limit", "Enter the monthly limit.")
        return values

    def save_by(self, admin: Member, member: Member) -> bool:
        """Save the limit; return whether it changed."""
        kind = self.cleaned_data["kind"]
        limit = self.cleaned_data["limit"] if kind == "own" else None
        return member.set_limit(admin, own=kind != "default", limit=limit)

    @classmethod
    def of(cls, member: Member) -> "LimitForm":
        kind = "default" if not member.own_limit else "none" if member.monthly_limit is None else "own"
        return cls(initial={"kind": kind, "limit": member.monthly_limit})
