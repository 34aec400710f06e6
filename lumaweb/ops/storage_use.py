"""What takes space: sums of the sizes in the database, and the free space of a disk. Sizes are in bytes."""

from dataclasses import dataclass

from django.db.models import Sum

from videos.models import Frame, Generation, StoragePolicy
from videos.models.generation.storage_queryset import VideoSizes

# From this share of the quota on, admins are warned.
WARN_AT = 0.9


@dataclass(frozen=True, slots=True)
class MediaUse:
    """The sizes of saved media, and the quota for them, if there is one."""

    videos: VideoSizes
    frames_bytes: int
    quota_bytes: int | None

    @classmethod
    def now(cls) -> "MediaUse":
        frames = Frame.objects.exclude(file="").aggregate(bytes=Sum("size_bytes", default=0))["bytes"]
        return cls(Generation.objects.sizes(), frames, StoragePolicy.current().quota_bytes)

    @property
    def total_bytes(self) -> int:
        return self.videos.shown_bytes + self.videos.trashed_bytes + self.frames_bytes

    @property
    def is_over_quota(self) -> bool:
        return self.quota_bytes is not None and self.total_bytes > self.quota_bytes

    @property
    def is_near_quota(self) -> bool:
        """Whether the media exceed nine tenths of the quota."""
        return self.quota_bytes is not None and self.total_bytes > WARN_AT * self.quota_bytes
