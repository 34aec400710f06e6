"""The upload of a claim's frames: the one part of sending that leaves no doubt when its worker dies."""

from django.db.models import Q
from django.utils import timezone

from ..state import State


class Uploading:
    """The steps of a row between its claim and its POST; mixed into Generation."""

    @property
    def has_frames(self) -> bool:
        """Whether pictures of ours have to be given to the provider."""
        return bool(self.start_frame_id or self.end_frame_id)

    def renew_upload(self, ours: Q) -> bool:
        """Say that the frames of this claim are still being uploaded; False where it is no longer `ours`."""
        row = type(self).objects.filter(ours, pk=self.pk, state=State.SUBMITTING, uploading=True)
        return bool(row.update(submitted_at=timezone.now()))

    def end_upload(self, ours: Q) -> bool:
        """Commit, before the first paid byte leaves, that it may be at the provider from now on.

        False where the claim is lost: then nothing may be sent.
        """
        now = timezone.now()
        row = type(self).objects.filter(ours, pk=self.pk, state=State.SUBMITTING, uploading=True)
        if not row.update(uploading=False, submitted_at=now):
            return False
        self.uploading, self.submitted_at = False, now
        return True

    def upload_interrupted(self) -> bool:
        """Put it back into the queue: its worker is gone, and had not begun to send anything but a frame."""
        return self._advance(
            {State.SUBMITTING},
            because="returned",
            # A worker that is only slow ends the upload in the row, and then this does not hold any more.
            only=Q(uploading=True),
            code="interrupted",
            text="The worker stopped while it was uploading a frame. Nothing else was sent.",
            state=State.QUEUED,
            not_before=timezone.now(),
        )
