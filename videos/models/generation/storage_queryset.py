"""Queries about the space that videos take, and about rejected videos that nobody needs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.apps import apps
from django.db import models
from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.utils import timezone

from ..event import Event
from ..frame import Frame
from ..stars import Star
from ..state import CAN_BE_TRASHED, Rejected
from .bulk_transition import Row
from .task_search_queryset import TaskSearchQuerySet


@dataclass(frozen=True, slots=True)
class VideoSizes:
    """The numbers of saved videos and the sizes of their files in bytes, in the gallery and in the trash."""

    shown: int
    shown_bytes: int
    trashed: int
    trashed_bytes: int


class StorageQuerySet(TaskSearchQuerySet[Row]):
    def with_sizes(self) -> Self:
        """Select the videos whose size is known. The condition is that of the index."""
        return self.filter(size_bytes__isnull=False, purged_at__isnull=True)

    def sizes(self) -> VideoSizes:
        """Sum the sizes of all saved videos; the database reads only an index."""
        trashed = Q(trashed_at__isnull=False)
        found = self.with_sizes().aggregate(
            shown=Count("size_bytes", filter=~trashed),
            shown_bytes=Sum("size_bytes", filter=~trashed, default=0),
            trashed=Count("size_bytes", filter=trashed),
            trashed_bytes=Sum("size_bytes", filter=trashed, default=0),
        )
        return VideoSizes(**found)

    def largest(self) -> Self:
        """Select the saved videos outside the trash, the largest first."""
        return self.with_sizes().filter(trashed_at__isnull=True).order_by("-size_bytes", "-pk")

    def disposable(self, rejected_before: datetime) -> Self:
        """Select the rejected videos that the policy moves to the trash, the oldest first."""
        return self.filter(is_disposable(self.model, rejected_before)).order_by("pk")


def is_disposable(model: type[models.Model], rejected_before: datetime) -> Q:
    """Match videos last rejected before this moment that are neither starred, nor shared, nor used.

    Used: extended, in a collection, or the source of a frame.
    """
    here, now = OuterRef("pk"), timezone.now()
    rejections = Event.objects.filter(generation=here, kind="rejected")
    # By the registry, as these models build on that of generations.
    shares = apps.get_model("videos", "Share")._default_manager.filter(
        generation=here, revoked_at__isnull=True, expires_at__gt=now
    )
    shared_items = apps.get_model("videos", "ShareItem")._default_manager.filter(
        generation=here, share__revoked_at__isnull=True, share__expires_at__gt=now
    )
    items = apps.get_model("videos", "CollectionItem")._default_manager.filter(generation=here)
    return Q(
        Rejected("choice"),
        Exists(rejections.filter(at__lt=rejected_before)),
        ~Exists(rejections.filter(at__gte=rejected_before)),
        ~Exists(Star.objects.filter(generation=here)),
        ~Exists(shares),
        ~Exists(shared_items),
        ~Exists(items),
        ~Exists(model._default_manager.filter(parent=here)),
        ~Exists(Frame.objects.filter(source=here).exclude(file="")),
        state__in=CAN_BE_TRASHED,
        trashed_at__isnull=True,
    )
