import base64
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from django.db import models, transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.functional import cached_property

from ..limits import MAX_SHARED, SHARE_TITLE_LENGTH
from .collections import Collection, CollectionGone, CollectionItem
from .event import Event
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
        self,
        generation: Generation,
        member: Member,
        *,
        days: int,
        chain: bool,
        with_prompt: bool,
        title: str = "",
        download: bool = True,
    ) -> "Share | None":
        """Share a video for some days; return None if it is not saved or in the trash. Raises TooManyLinks."""
        self._check_limit(member)
        share = self.model(generation=generation, shared_by=member, chain=chain, with_prompt=with_prompt)
        share.title, share.download = title, download
        share.expires_at = timezone.now() + timedelta(days=days)
        words = f"{'The chain up to here' if chain else 'This video'}, {_validity(days)}"
        with transaction.atomic(durable=True):
            if not _record_events([generation.pk], "shared", member, words):
                return None
            share.save()
        return share

    def create_for_videos(
        self,
        generations: Iterable[Generation],
        member: Member,
        *,
        days: int,
        with_prompt: bool,
        title: str,
        download: bool,
        collection: Collection | None = None,
        follows: bool = False,
    ) -> "Share | None":
        """Share these videos, in this order, for some days; return None if none of them is saved and not in the trash.

        `follows`: show what is in the collection at each visit, not these videos. Raises TooManyLinks, and
        CollectionGone if the collection was deleted meanwhile.
        """
        self._check_limit(member)
        share = self.model(shared_by=member, with_prompt=with_prompt, title=title, download=download)
        share.collection, share.follows = collection, follows
        share.expires_at = timezone.now() + timedelta(days=days)
        pks = [generation.pk for generation in generations]
        with transaction.atomic(durable=True):
            words = f"In a link to several videos{f' (“{title}”)' if title else ''}, {_validity(days)}"
            recorded = _record_events(pks, "shared", member, words)
            if not recorded:
                return None
            # The column has no constraint: without the lock, a deletion at this moment would leave its pk in the link.
            if collection and not Collection.objects.locked([collection.pk]):
                raise CollectionGone
            share.save()
            if not follows:
                kept = [pk for pk in pks if pk in recorded]
                ShareItem.objects.bulk_create(
                    ShareItem(share=share, generation_id=pk, place=place) for place, pk in enumerate(kept)
                )
        return share

    def _check_limit(self, member: Member) -> None:
        """Raise TooManyLinks if the member has as many links as allowed."""
        now = timezone.now()
        # Links of the last day count even if revoked, so that creating and revoking in turn cannot fill the table.
        kept = Q(revoked_at__isnull=True, expires_at__gt=now) | Q(created_at__gt=now - timedelta(days=1))
        if self.filter(kept, shared_by=member).count() >= LINKS_AT_MOST:
            raise TooManyLinks(
                f"You have {LINKS_AT_MOST} links that are open or were made today, as many as a member may have. "
                "Revoke some, or wait until tomorrow."
            )

    def live(self, now: datetime | None = None) -> Self:
        """Select links that are neither revoked nor expired, also of trashed videos, which may be restored."""
        rows = self.filter(revoked_at__isnull=True, expires_at__gt=now or timezone.now())
        # Deleting a collection ends the links that follow it.
        rows = rows.filter(Q(follows=False) | Q(collection__created_at__isnull=False))
        rows = rows.filter(generation__purged_at__isnull=True)
        return rows.select_related("generation", "shared_by", "collection")

    def showing(self, generation: Generation) -> Self:
        """Select the links that name this video, alone or among several, or follow a collection that it is in."""
        listed = Q(pk__in=ShareItem.objects.filter(generation=generation).values("share"))
        collections = CollectionItem.objects.filter(generation=generation).values("collection")
        return self.filter(Q(generation=generation) | listed | Q(follows=True, collection__in=collections))

    def with_sizes(self) -> Self:
        """Annotate `listed_size` and `followed_size`, the numbers of videos that a link to several shows."""
        listed = _count_watchable(ShareItem.objects.filter(share=OuterRef("pk")), "share")
        followed = _count_watchable(CollectionItem.objects.filter(collection=OuterRef("collection")), "collection")
        return self.annotate(listed_size=listed, followed_size=followed)

    def opened_with(self, uuid_text: str, key: str) -> "Share | None":
        """Return the share with this link while it is live, else None. Its videos may be unavailable."""
        try:
            share = self.live().filter(uuid=UUID(uuid_text)).first()
        except ValueError:  # a truncated or mistyped link
            return None
        return share if share and share.opens_with(key) else None


class Share(models.Model):
    """A link by which a guest may watch one video, the chain that ends with it, or several videos in an order.

    Several videos are either its items, or at each visit those of the collection that it follows.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    generation = models.ForeignKey(
        "videos.Generation",
        null=True,
        on_delete=models.CASCADE,
        related_name="shares",
        help_text="The video, or the last one of the chain; none for several videos.",
    )
    chain = models.BooleanField(default=False, help_text="Whether to play its ancestors by extension, too.")
    # Without a constraint: processes of the version before delete collections and do not know this column.
    collection = models.ForeignKey(
        Collection, null=True, on_delete=models.SET_NULL, related_name="shares", db_constraint=False
    )
    follows = models.BooleanField(
        default=False, db_default=False, help_text="Whether to show what is in the collection at each visit."
    )
    title = models.CharField(max_length=SHARE_TITLE_LENGTH, blank=True, default="", db_default="")
    download = models.BooleanField(
        default=True, db_default=True, help_text="Whether the page offers to download the videos."
    )
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
        return f"{self.title or self.generation_id or 'several videos'} by {self.shared_by}"

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

    @property
    def size(self) -> int:
        """The number of videos that a link to several shows. Needs `with_sizes`."""
        size: int | None = getattr(self, "followed_size" if self.follows else "listed_size")
        return min(size or 0, MAX_SHARED)

    @cached_property
    def videos(self) -> list[Generation]:
        """The videos that its page plays, in order; empty if the shared video cannot be watched."""
        if self.generation is None:
            return list(self._of_several().filter(CAN_BE_WATCHED)[:MAX_SHARED])
        videos = watchable(path_to(self.generation) if self.chain else [self.generation])
        return videos if videos and videos[-1].pk == self.generation_id else []

    def video(self, uuid: UUID) -> Generation | None:
        """Return the video with this uuid if the link shows it. One query for any number of videos but a chain's."""
        if self.generation is None:
            return self._of_several().filter(CAN_BE_WATCHED, uuid=uuid).first()
        return next((row for row in self.videos if row.uuid == uuid), None)

    def _of_several(self) -> QuerySet[Generation]:
        """Select the videos of a link to several, in the order to play, also those that cannot be watched."""
        if self.follows:
            in_collection = CollectionItem.objects.filter(collection=self.collection_id).values("generation")
            return Generation.objects.filter(pk__in=in_collection).order_by("-pk")
        return Generation.objects.filter(share_items__share=self).order_by("share_items__place")

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
                pks = [self.generation_id] if self.generation_id else self._of_several().values_list("pk", flat=True)
                _record_events([*pks][:MAX_SHARED], "unshared", member, condition=Q())
        self.refresh_from_db()
        return bool(revoked)


class ShareItem(models.Model):
    """One of the several videos of a link; `place` is its position."""

    share = models.ForeignKey(Share, on_delete=models.CASCADE, related_name="items")
    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="share_items")
    place = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["share", "generation"], name="one_place_in_a_share")]

    def __str__(self) -> str:
        return f"{self.share}: {self.generation_id}"


def watchable(rows: Iterable[Generation]) -> list[Generation]:
    """Select the videos that a link can show: saved, and not in the trash."""
    return [row for row in rows if row.is_saved and not row.trashed_at]


def _validity(days: int) -> str:
    return f"for {days} day{'' if days == 1 else 's'}"


def _count_watchable(items: QuerySet[Any], group: str) -> Subquery:
    """Return the number of these items of one group whose video can be watched."""
    shown = items.filter(
        generation__trashed_at__isnull=True, generation__purged_at__isnull=True, generation__archive=Archive.SAVED
    )
    return Subquery(shown.order_by().values(group).annotate(count=Count("pk")).values("count"))


def _record_events(
    pks: list[int], kind: str, member: Member, text: str = "", *, condition: Q = CAN_BE_WATCHED
) -> set[int]:
    """Add an event to each video that fulfils `condition`, and raise its version for open pages; return their pks."""
    # The update locks the rows until the transaction ends.
    rows = Generation.objects.filter(condition, pk__in=pks)
    rows.update(version=F("version") + 1, changed_at=timezone.now())
    changed = set(rows.values_list("pk", flat=True))
    Event.objects.bulk_create(Event(generation_id=pk, kind=kind, member=member, text=text) for pk in sorted(changed))
    return changed
