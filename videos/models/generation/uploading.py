"""The upload of frames between a claim and its POST, during which nothing that costs money is sent."""

from django.db.models import Q
from django.utils import timezone

from ..state import State
from .transition import Transitions


class Uploading(Transitions):
    class Meta:
        abstract = True

    def renew_upload(self, owned: Q) -> bool:
        """Report that this claim's frames are still being uploaded; return False if the claim is lost."""
        row = type(self).objects.filter(owned, pk=self.pk, state=State.SUBMITTING, uploading=True)
        return bool(row.update(submitted_at=timezone.now()))

    def end_upload(self, owned: Q) -> bool:
        """Commit, before the first paid byte leaves, that the request may be at the provider from now on.

        Return False if the claim is lost: then nothing may be sent.
        """
        now = timezone.now()
        row = type(self).objects.filter(owned, pk=self.pk, state=State.SUBMITTING, uploading=True)
        if not row.update(uploading=False, submitted_at=now):
            return False
        self.uploading, self.submitted_at = False, now
        return True

    def requeue_interrupted_upload(self) -> bool:
        """Return the row to the queue: its worker died before it sent anything but a frame."""
        return self._transition(
            {State.SUBMITTING},
            event="returned",
            # A worker that is only slow ends the upload in the row first, and then this does not match.
            condition=Q(uploading=True),
            code="interrupted",
            text="The worker stopped while it was uploading a frame. Nothing else was sent.",
            state=State.QUEUED,
            not_before=timezone.now(),
        )
