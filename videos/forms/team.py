"""What an admin does about the team."""

from django import forms

from ..models import Invitation, Member
from .money import CreditsField


class InviteForm(forms.Form):
    email = forms.EmailField(label="E-mail address", required=False, max_length=254)
    as_admin = forms.BooleanField(label="As an admin", required=False)

    def save_by(self, admin: Member) -> tuple[Invitation, str]:
        return Invitation.objects.invite(admin, **self.cleaned_data)


class LimitForm(forms.Form):
    """A member's limit a month: everybody's, one of their own, or none."""

    kind = forms.ChoiceField(
        choices=[("default", "As everybody"), ("own", "A limit of their own"), ("none", "No limit")]
    )
    limit = CreditsField(label="Credits a month", required=False)

    def clean(self) -> dict:
        data = super().clean()
        if data.get("kind") == "own" and data.get("limit") is None and "limit" not in self.errors:
            self.add_error("limit", "Say how much a month.")
        return data

    def save_by(self, admin: Member, member: Member) -> bool:
        kind = self.cleaned_data["kind"]
        limit = self.cleaned_data["limit"] if kind == "own" else None
        return member.set_limit(admin, own=kind != "default", limit=limit)

    @classmethod
    def of(cls, member: Member) -> "LimitForm":
        kind = "default" if not member.own_limit else "none" if member.monthly_limit is None else "own"
        return cls(initial={"kind": kind, "limit": member.monthly_limit})
