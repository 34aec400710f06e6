import uuid
from datetime import timedelta
from typing import Self

from django.db import models, transaction
from django.utils import timezone

from .audit import AuditEntry
from .member import Member
from .secret_keys import hash_key, new_key

GOOD_FOR = timedelta(days=7)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def invite(self, by: Member, *, email: str = "", as_admin: bool = False) -> tuple["Invitation", str]:
        """Create an invitation; return it with its link's key, of which only the hash is stored."""
        key = new_key()
        with transaction.atomic():
            invitation = self.create(
                invited_by=by,
                email=email,
                as_admin=as_admin,
                key_hash=hash_key(key),
                expires_at=timezone.now() + GOOD_FOR,
            )
            AuditEntry.objects.record(by, f"Invited {email or 'somebody'}{' as an admin' if as_admin else ''}.")
        return invitation, key

    def unused(self) -> Self:
        """Select invitations that were not accepted, revoked or expired, without a join.

        An UPDATE with a join becomes one with a subquery, which PostgreSQL does not evaluate again after waiting for
        another UPDATE's lock: two members could then accept one invitation.
        """
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())

    def good(self) -> Self:
        """Select unused invitations whose author is still an active admin."""
        return self.unused().filter(invited_by__is_active=True, invited_by__is_superuser=True)

    def opened_by(self, key: str) -> "Invitation | None":
        return self.good().filter(key_hash=hash_key(key)).select_related("invited_by").first()


class Invitation(models.Model):
    """An invitation for one person. Its link is shown once, and only the hash of its key is stored."""

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
        """Create the member; return False if the link was used, revoked or has expired meanwhile.

        One conditional UPDATE decides, in the transaction that creates the member, so that one link makes one member.
        """
        with transaction.atomic():
            good = Invitation.objects.good().filter(pk=self.pk).exists()
            if not good or not Invitation.objects.unused().filter(pk=self.pk).update(accepted_at=timezone.now()):
                return False
            member.is_superuser = member.is_staff = self.as_admin
            member.save()
            Invitation.objects.filter(pk=self.pk).update(accepted_by=member)
            AuditEntry.objects.record(member, f"Joined, invited by {self.invited_by.username}.", about=member)
        return True

    def revoke(self, by: Member) -> bool:
        revoked = Invitation.objects.unused().filter(pk=self.pk).update(revoked_at=timezone.now())
        if revoked:
            AuditEntry.objects.record(by, f"Revoked the invitation of {self.email or 'somebody'}.")
        return bool(revoked)
