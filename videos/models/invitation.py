import uuid
from datetime import timedelta

from django.db import models

GOOD_FOR = timedelta(days=7)


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

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"For {self.email or 'somebody'}, by {self.invited_by}"
