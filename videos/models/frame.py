import uuid
from datetime import datetime, timedelta
from typing import Self

from django.apps import apps
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from .member import Member
from .orphaned_file import OrphanedFile
from .secret_keys import hash_key, new_key
from .state import State

# How long after the end of a task the provider may still read its frames.
READ_AFTER_THE_END = timedelta(minutes=10)
# A row may stay unconfirmed forever, but its temporary links expire.
UNCONFIRMED_AT_MOST = timedelta(hours=24)
# How long an unused frame is kept, as a draft may refer to it.
UNUSED_AT_MOST = timedelta(days=7)
# New frames of one member within a day: each stays in the storage for a week, used or not.
UPLOADS_A_DAY = 300


class FrameQuerySet(models.QuerySet["Frame"]):
    def known(self, wanted: str) -> "Frame | None":
        """Return the frame with this uuid if its file is stored, else None, also if `wanted` is no uuid."""
        try:
            return self.filter(uuid=uuid.UUID(wanted)).exclude(file="").first()
        except ValueError:
            return None

    def refusal_for(self, member: Member) -> str:
        """Say why this member may not add another frame now; "" if they may."""
        latest = self.filter(member=member, created_at__gt=timezone.now() - timedelta(days=1)).exclude(file="")
        if latest.count() < UPLOADS_A_DAY:
            return ""
        return f"You added {UPLOADS_A_DAY} pictures within a day, as many as a member may. Use one of them again."

    def unused(self, now: datetime | None = None) -> Self:
        """Select frames that were uploaded long ago and that no video uses."""
        users = _generations().filter(Q(start_frame=OuterRef("pk")) | Q(end_frame=OuterRef("pk")))
        return self.filter(~Exists(users), created_at__lte=(now or timezone.now()) - UNUSED_AT_MOST).exclude(file="")

    def release(self) -> None:
        """Mark the files that no video uses for deletion; keep the rows, as the same picture may be uploaded again."""
        for frame in self.select_for_update().exclude(file=""):
            if not _generations().filter(Q(start_frame=frame) | Q(end_frame=frame)).exists():
                OrphanedFile.objects.mark(frame.file)
                # The provider keeps its copy as long as it wants, but Lumaweb forgets the link to it.
                frame.uploads.all().delete()
                self.filter(pk=frame.pk).update(file="")


def _generations() -> models.QuerySet[models.Model]:
    # Through the app registry: the module of `Generation` imports this one.
    return apps.get_model("videos", "Generation")._default_manager.all()


class Frame(models.Model):
    """An uploaded picture, re-encoded. width, height: in pixels."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sha256 = models.CharField(
        max_length=64, unique=True, help_text="Of the uploaded bytes, before they were re-encoded."
    )
    file = models.FileField(upload_to="frames/", blank=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size_bytes = models.PositiveIntegerField()
    member = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="frames")
    source = models.ForeignKey(
        "videos.Generation",
        null=True,
        on_delete=models.SET_NULL,
        related_name="extracted_frames",
        help_text="The video it was taken from; null for uploads.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = FrameQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.width}×{self.height}"


class TemporaryLinkQuerySet(models.QuerySet["TemporaryLink"]):
    def open_now(self, key: str) -> "TemporaryLink | None":
        """Return the link with this key while the provider may still need it for its generation."""
        now = timezone.now()
        in_progress = Q(generation__state__in=[State.SUBMITTING, State.PROCESSING])
        unconfirmed = Q(generation__state=State.UNCONFIRMED, created_at__gt=now - UNCONFIRMED_AT_MOST)
        just_done = Q(generation__finished_at__gt=now - READ_AFTER_THE_END)
        needed = in_progress | unconfirmed | just_done
        return self.filter(needed, key_hash=hash_key(key)).select_related("frame", "video").first()


class TemporaryLink(models.Model):
    """An unguessable public URL of one frame or one saved video, for the provider while it makes one generation."""

    key_hash = models.CharField(max_length=64, unique=True)
    generation = models.ForeignKey("videos.Generation", on_delete=models.CASCADE, related_name="temporary_links")
    frame = models.ForeignKey(Frame, null=True, on_delete=models.CASCADE, related_name="temporary_links")
    video = models.ForeignKey(
        "videos.Generation", null=True, db_column="clip_id", on_delete=models.CASCADE, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TemporaryLinkQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(frame__isnull=True, video__isnull=False) | Q(frame__isnull=False, video__isnull=True),
                name="temporary_link_is_for_one_thing",
            )
        ]

    def __str__(self) -> str:
        return "frame" if self.frame_id else "video"

    @classmethod
    def create_for(
        cls, public_url: str, generation: models.Model, *, frame: Frame | None = None, video: models.Model | None = None
    ) -> str:
        """Create a link and return its URL. Only the key's hash is stored, so each claim has its own link."""
        key = new_key()
        video_id = video.pk if video else None
        cls.objects.create(key_hash=hash_key(key), generation_id=generation.pk, frame=frame, video_id=video_id)
        return f"{public_url}/frames/{key}.jpg" if frame else f"{public_url}/clips/{key}.mp4"
