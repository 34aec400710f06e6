import secrets
import uuid
from datetime import timedelta

from django.db import models, transaction
from django.utils import timezone

from .audit import AuditEntry
from .frame import digest
from .member import Member

GOOD_FOR = timedelta(days=7)


class InvitationQuerySet(models.QuerySet):
    def invite(self, by: Member, *, email: str = "", as_admin: bool = False) -> tuple["Invitation", str]:
        """Make one, with the key of its link, which is not stored and cannot be shown again."""
        key = secrets.token_urlsafe(32)
        with transaction.atomic():
            invitation = self.create(
                invited_by=by,
                email=email,
                as_admin=as_admin,
                key_hash=digest(key),
                expires_at=timezone.now() + GOOD_FOR,
            )
            AuditEntry.objects.record(by, f"Invited {email or 'somebody'}{' as an admin' if as_admin else ''}.")
        return invitation, key

    def unused(self) -> "InvitationQuerySet":
        """Not accepted, revoked or expired: by the row's own columns alone.

        An UPDATE that joins becomes one with a subquery, which PostgreSQL does not look at again after it waited for
        another's: both would have won.
        """
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())

    def good(self) -> "InvitationQuerySet":
        """Unused, and made by somebody who still is an admin here."""
        return self.unused().filter(invited_by__is_active=True, invited_by__is_superuser=True)

    def opened_by(self, key: str) -> "Invitation | None":
        return self.good().filter(key_hash=digest(key)).select_related("invited_by").first()


class Invitation(models.Model):
    """A way in for one person: its link is shown once, and only the hash of its key is stored."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    email = models.EmailField(blank=True)
    as_admin = models.BooleanField(default=False)
    invited_by = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="invitations")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey("videos.Member", null=True, on_delete=models.PROTECT, related_name="+")
    mailed_at = models.DateTimeField(null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"For {self.email or 'somebody'}, by {self.invited_by}"

    def accept(self, member: Member) -> bool:
        """Let this new member in; False where the link was used, revoked or has expired meanwhile.

        One UPDATE decides, in the transaction that makes the member: two people with one link make one.
        """
        with transaction.atomic():
            good = Invitation.objects.good().filter(pk=self.pk).exists()
            if not good or not Invitation.objects.unused().filter(pk=self.pk).update(accepted_at=timezone.now()):
                return False
            member.is_superuser = member.is_staff = self.as_admin
            member.save()
            Invitation.objects.filter(pk=self.pk).update(accepted_by=member)
            AuditEntry.objects.record(member, f"Came in, invited by {self.invited_by.username}.", about=member)
        return True

    def revoke(self, by: Member) -> bool:
        revoked = Invitation.objects.unused().filter(pk=self.pk).update(revoked_at=timezone.now())
        if revoked:
            AuditEntry.objects.record(by, f"Revoked the invitation of {self.email or 'somebody'}.")
        return bool(revoked)
