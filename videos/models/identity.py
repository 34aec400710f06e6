from typing import Self

from django.db import IntegrityError, models, transaction
from django.utils import timezone

from .audit import AuditEntry
from .member import Member


class ExternalIdentityQuerySet(models.QuerySet["ExternalIdentity"]):
    def of(self, issuer: str, subject: str) -> Self:
        """Select the identity that a provider's issuer and subject name, with its member."""
        return self.filter(issuer=issuer, subject=subject).select_related("member")

    def link(self, member: Member, *, issuer: str, subject: str, email: str, name: str) -> bool:
        """Link a provider's account to a member; return False if it is another member's.

        name: what the team calls the provider.
        """
        try:
            with transaction.atomic():
                self.create(member=member, issuer=issuer, subject=subject, email=email)
                text = f"{member.username} can sign in with {name}{f', as {email}' if email else ''}."
                AuditEntry.objects.record(member, text, about=member)
        except IntegrityError:
            return self.filter(issuer=issuer, subject=subject, member=member).exists()
        return True

    def used(self, issuer: str, subject: str, email: str) -> None:
        """Record a sign-in, and the address that the provider names now."""
        self.filter(issuer=issuer, subject=subject).update(last_used_at=timezone.now(), email=email)


class ExternalIdentity(models.Model):
    """An account at an OpenID provider with which a member signs in. Issuer and subject identify it, not the email."""

    member = models.ForeignKey("videos.Member", on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    email = models.CharField(max_length=254, blank=True, help_text="As the provider named it, to tell accounts apart.")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)

    objects = ExternalIdentityQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="one_member_per_identity")]

    def __str__(self) -> str:
        return self.email or self.subject

    def unlink(self, by: Member, *, name: str, only_way_in: bool) -> bool:
        """Remove this way to sign in; return False if it is the last one of a member without a password."""
        with transaction.atomic():
            others = Member.objects.select_for_update().get(pk=self.member_id).identities.exclude(pk=self.pk)
            # Accounts of an earlier provider no longer sign in.
            if only_way_in and not others.filter(issuer=self.issuer).exists():
                return False
            self.delete()
            AuditEntry.objects.record(by, f"{self.member.username} no longer signs in with {name}.", about=self.member)
        return True
