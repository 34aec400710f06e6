import base64
import uuid
from datetime import datetime, timedelta
from typing import Self

from django.db import models, transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.functional import cached_property

from .generation import Generation
from .lineage import path_to
from .member import Member
from .state import Archive

# The validities of a link that members can choose, in days.
DAYS = (1, 7, 30, 90)
# Each counted visit is a write that a stranger triggers: one a minute is enough to see whether it was watched.
WATCHED_EVERY = timedelta(minutes=1)
LINKS_AT_MOST = 200  # by one member
CAN_BE_WATCHED = Q(trashed_at__isnull=True, purged_at__isnull=True, archive=Archive.SAVED)


class TooManyLinks(Exception):
    """A member has as many links as allowed; the message says what to do."""


class ShareQuerySet(models.QuerySet["Share"]):
    def create_for(
        self, generation: Generation, member: Member, *, days: int, chain: bool, with_prompt: bool
    ) -> "Share | None":
        """Share a video for some days; return None if it is not saved or in the trash. Raises TooManyLinks."""
        now = timezone.now()
        # Links of the last day count even if revoked, so that creating and revoking in turn cannot fill the table.
        kept = Q(revoked_at__isnull=True, expires_at__gt=now) | Q(created_at__gt=now - timedelta(days=1))
        if self.filter(kept, shared_by=member).count() >= LINKS_AT_MOST:
            raise TooManyLinks(
                f"You have {LINKS_AT_MOST} links that are open or were made today, as many as a member may have. "
                "Revoke some, or wait until tomorrow."
            )
        share = self.model(generation=generation, shared_by=member, chain=chain, with_prompt=with_prompt)
        share.expires_at = timezone.now() + timedelta(days=days)
        words = f"{'The chain up to here' if chain else 'This video'}, for {days} day{'' if days == 1 else 's'}"
        with transaction.atomic(durable=True):
            if not _record_event(generation, "shared", member, words, condition=CAN_BE_WATCHED):
                return None
            share.save()
        return share

    def live(self, now: datetime | None = None) -> Self:
        """Select links that are neither revoked nor expired, also of trashed videos, which may be restored."""
        rows = self.filter(revoked_at__isnull=True, expires_at__gt=now or timezone.now())
        return rows.filter(generation__purged_at__isnull=True).select_related("generation", "shared_by")

    def opened_with(self, uuid_text: str, key: str) -> "Share | None":
        """Return the share with this link while it can be watched, else None."""
        try:
            share = self.live().filter(uuid=uuid.UUID(uuid_text)).first()
        except ValueError:  # a truncated or mistyped link
            return None
        return share if share and share.opens_with(key) and share.videos else None


class Share(models.Model):
    """A link by which a guest may watch one video, or the chain that ends with it."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="shares")
    chain = models.BooleanField(default=False, help_text="Whether to play its ancestors by extension, too.")
    with_prompt = models.BooleanField(default=False)
    shared_by = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="shares")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    watched = models.PositiveIntegerField(default=0, help_text="The number of counted visits.")
    watched_at = models.DateTimeField(null=True)

    objects = ShareQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["generation", "-id"], name="share_of_generation")]

    def __str__(self) -> str:
        return f"{self.generation_id} by {self.shared_by}"

    @property
    def key(self) -> str:
        """The link's key. It derives from the installation's secret key, so no copy of the database holds a link."""
        digest = salted_hmac("videos.Share", str(self.uuid), algorithm="sha256").digest()
        return base64.urlsafe_b64encode(digest).decode()[:32]

    @property
    def secret_path(self) -> str:
        return reverse("guest", args=[self.uuid, self.key])

    def opens_with(self, key: str) -> bool:
        return constant_time_compare(key, self.key)

    @cached_property
    def videos(self) -> list[Generation]:
        """The videos that its page plays, in order; empty if the shared video cannot be watched."""
        videos = watchable(path_to(self.generation) if self.chain else [self.generation])
        return videos if videos and videos[-1].pk == self.generation_id else []

    def count_visit(self) -> None:
        """Count a visit, at most once a minute."""
        now = timezone.now()
        if self.watched_at and now - self.watched_at < WATCHED_EVERY:
            return
        rows = Share.objects.filter(pk=self.pk)
        not_just_now = Q(watched_at__isnull=True) | Q(watched_at__lte=now - WATCHED_EVERY)
        rows.filter(not_just_now).update(watched=F("watched") + 1, watched_at=now)

    def may_be_revoked_by(self, member: Member) -> bool:
        return self.shared_by_id == member.pk or member.is_superuser

    def revoke(self, member: Member) -> bool:
        """End the link; return False if it has ended already."""
        now = timezone.now()
        with transaction.atomic(durable=True):
            revoked = Share.objects.filter(pk=self.pk, revoked_at__isnull=True, expires_at__gt=now).update(
                revoked_at=now
            )
            if revoked:
                _record_event(self.generation, "unshared", member)
        self.refresh_from_db()
        return bool(revoked)


def watchable(rows: list[Generation]) -> list[Generation]:
    """Select the videos that a link can show: saved, and not in the trash."""
    return [row for row in rows if row.is_saved and not row.trashed_at]


def _record_event(
    generation: Generation, kind: str, member: Member, text: str = "", *, condition: Q | None = None
) -> bool:
    """Add an event to the video and raise its version for open pages; return False if `condition` does not hold."""
    rows = Generation.objects.filter(condition or Q(), pk=generation.pk)
    changed = rows.update(version=F("version") + 1, changed_at=timezone.now())
    if changed:
        generation.events.create(kind=kind, member=member, text=text)
    return bool(changed)
