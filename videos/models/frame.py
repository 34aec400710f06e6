import hashlib
import secrets
import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from .orphaned_file import OrphanedFile

# The provider may read a frame a little later than it reports the end of the work.
GRACE = timedelta(minutes=10)
# A row may stay unconfirmed for ever; what it was sent with is not open for as long.
UNCONFIRMED_AT_MOST = timedelta(hours=24)
# A picture that was uploaded and never sent: a draft may still hold it for so long.
UNUSED_AT_MOST = timedelta(days=7)
# New pictures of one member within a day: each stays on the disk for a week, used or not.
UPLOADS_A_DAY = 300


def digest(key: str) -> str:
    """What is stored of a key that opens something: its SHA-256, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


class FrameQuerySet(models.QuerySet):
    def known(self, wanted: str) -> "Frame | None":
        """The picture of this uuid, if its file is here; None for anything else that was given."""
        try:
            return self.filter(uuid=uuid.UUID(wanted)).exclude(file="").first()
        except ValueError:
            return None

    def refusal_for(self, member) -> str:
        """Say why this member may not add another picture now; "" where they may."""
        latest = self.filter(member=member, created_at__gt=timezone.now() - timedelta(days=1)).exclude(file="")
        if latest.count() < UPLOADS_A_DAY:
            return ""
        return f"You added {UPLOADS_A_DAY} pictures within a day, as many as a member may. Use one of them again."

    def unused(self, now=None) -> "FrameQuerySet":
        """Uploaded (for the last time) long ago, and in no video's request."""
        from .generation import Generation

        needed = Generation.objects.filter(Q(start_frame=OuterRef("pk")) | Q(end_frame=OuterRef("pk")))
        return self.filter(~Exists(needed), created_at__lte=(now or timezone.now()) - UNUSED_AT_MOST).exclude(file="")

    def let_go(self) -> None:
        """Have the files removed that no video needs any more; the rows stay, as the same picture may come again."""
        from .generation import Generation

        for frame in self.select_for_update().exclude(file=""):
            if not Generation.objects.filter(Q(start_frame=frame) | Q(end_frame=frame)).exists():
                OrphanedFile.objects.mark(frame.file)
                # The provider's copy lives as long as the provider says; nothing here leads to it any more.
                frame.uploads.all().delete()
                self.filter(pk=frame.pk).update(file="")


class Frame(models.Model):
    """A picture a member uploaded: re-encoded, never the bytes as they came. width, height in pixels."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sha256 = models.CharField(max_length=64, unique=True, help_text="Of the bytes as they were uploaded.")
    file = models.FileField(upload_to="frames/", blank=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size_bytes = models.PositiveIntegerField()
    member = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="frames")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = FrameQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.width}×{self.height}"


class TemporaryLinkQuerySet(models.QuerySet):
    def open_now(self, key: str) -> "TemporaryLink | None":
        """The link behind this key while the work it was made for may still need it."""
        from .state import State

        now = timezone.now()
        at_work = Q(generation__state__in=[State.SUBMITTING, State.PROCESSING])
        unconfirmed = Q(generation__state=State.UNCONFIRMED, created_at__gt=now - UNCONFIRMED_AT_MOST)
        just_done = Q(generation__finished_at__gt=now - GRACE)
        needed = at_work | unconfirmed | just_done
        return self.filter(needed, key_hash=digest(key)).select_related("frame", "clip").first()


class TemporaryLink(models.Model):
    """An unguessable public address of one frame or one saved clip, for the provider, while one generation is made."""

    key_hash = models.CharField(max_length=64, unique=True)
    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="temporary_links")
    frame = models.ForeignKey(Frame, null=True, on_delete=models.CASCADE, related_name="temporary_links")
    clip = models.ForeignKey("videos.Generation", null=True, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TemporaryLinkQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(frame__isnull=True, clip__isnull=False) | Q(frame__isnull=False, clip__isnull=True),
                name="temporary_link_is_for_one_thing",
            )
        ]

    def __str__(self) -> str:
        return "frame" if self.frame_id else "clip"

    @classmethod
    def mint(cls, public_url: str, generation, *, frame: Frame | None = None, clip=None) -> str:
        """Make the address; only the key's hash is kept, so each claim has its own."""
        key = secrets.token_urlsafe(32)
        cls.objects.create(key_hash=digest(key), generation=generation, frame=frame, clip=clip)
        return f"{public_url}/frames/{key}.jpg" if frame else f"{public_url}/clips/{key}.mp4"
