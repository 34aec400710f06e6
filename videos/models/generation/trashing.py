"""Moving to the trash, restoring and deleting permanently."""

from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from ..frame import Frame, TemporaryLink
from ..member import Member
from ..orphaned_file import OrphanedFile
from ..state import CAN_BE_TRASHED, EVERY, PURGED, Archive, State
from ..storage_policy import StoragePolicy
from .member_actions import MemberActions
from .queryset import being_extended
from .storage_queryset import is_disposable


class Trashing(MemberActions):
    class Meta:
        abstract = True

    @property
    def can_be_trashed(self) -> bool:
        return self.state == State.QUEUED or self.state in CAN_BE_TRASHED

    def purged_from(self, policy: StoragePolicy) -> datetime | None:
        """Return when the sweep may delete the row permanently; None outside the trash."""
        return self.trashed_at and self.trashed_at + policy.kept_in_trash

    def trash(self, member: Member) -> bool:
        """Move the row to the trash; return False if it is at the provider or in the trash already.

        A queued row is canceled first. A result that still arrives is recorded, and a video is saved.
        """
        if self.state == State.QUEUED:
            self.cancel(member)
        return self._transition(
            CAN_BE_TRASHED,
            event="trashed",
            by=member,
            condition=Q(trashed_at__isnull=True),
            trashed_at=timezone.now(),
            trashed_by=member,
        )

    def trash_rejected(self, rejected_before: datetime) -> bool:
        """Move a rejected video to the trash by the storage policy; return False if somebody needs it meanwhile."""
        return self._transition(
            CAN_BE_TRASHED,
            event="trashed",
            text="Rejected, and not used since: moved by the storage rule.",
            condition=is_disposable(type(self), rejected_before),
            trashed_at=timezone.now(),
            trashed_by=None,
        )

    def restore(self, member: Member) -> bool:
        """Take the row out of the trash; return False if it is not there."""
        return self._transition(
            EVERY,
            event="restored",
            by=member,
            condition=Q(trashed_at__isnull=False, purged_at__isnull=True),
            trashed_at=None,
            trashed_by=None,
        )

    def purge(self, member: Member | None = None) -> bool:
        """Delete a trashed row's media, texts, links and frames; keep the row itself for sums and chains.

        Return False if the row is not in the trash or an extension of it is open. The files are only marked in this
        transaction; `OrphanedFile.remove` deletes them after it.
        """
        purged = self._transition(
            CAN_BE_TRASHED,
            event="purged",
            by=member,
            condition=Q(~being_extended(type(self)), trashed_at__isnull=False, purged_at__isnull=True),
            on_success=self._purge_related,
            purged_at=timezone.now(),
            archive=Archive.NONE,
            archive_at=None,
            **dict.fromkeys(PURGED, ""),
        )
        if purged:
            self.refresh_from_db()
        return purged

    def _purge_related(self) -> None:
        rows = type(self).objects.filter(pk=self.pk)
        now = rows.get()  # this object may be older than the files
        OrphanedFile.objects.mark(now.video_file, now.thumbnail_file, now.poster_file)
        rows.update(video_file="", thumbnail_file="", poster_file="", poster_color="", start_frame=None, end_frame=None)
        TemporaryLink.objects.filter(Q(generation=self.pk) | Q(video=self.pk)).delete()
        # The text of an event with a code is the provider's and may quote the prompt.
        self.events.exclude(code="").update(text="")
        Frame.objects.filter(pk__in=[now.start_frame_id, now.end_frame_id]).release()
