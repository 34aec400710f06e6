"""The transitions that members and admins choose."""

from django.db.models import Q
from django.utils import timezone

from ..member import Member
from ..state import EVERY, Choice, HoldReason, State
from .transition import Transitions


class MemberActions(Transitions):
    class Meta:
        abstract = True

    def cancel(self, member: Member) -> bool:
        """Cancel a queued video; return False if a worker has already claimed it."""
        return self._transition(
            {State.QUEUED}, event="canceled", by=member, state=State.CANCELED, finished_at=timezone.now()
        )

    def release(self, member: Member) -> bool:
        """Let a held row be sent: an admin knows that it was not, or accepts that it may be paid for twice."""
        return self._transition(
            {State.QUEUED},
            event="released",
            by=member,
            condition=Q(held_at__isnull=False, task_id=""),
            held_at=None,
            hold_reason=HoldReason.UNKNOWN,
            provider_base_url="",
            not_before=timezone.now(),
        )

    def choose(self, choice: Choice, member: Member) -> bool:
        """Pick or reject the video for the team, or undo that; return False if nothing changed."""
        return self._transition(
            EVERY, event=choice or "unchosen", by=member, condition=~Q(choice=choice), choice=choice
        )

    def dismiss(self, member: Member) -> bool:
        """Stop waiting for an unconfirmed video; if it arrives all the same, it is kept."""
        return self._fail({State.UNCONFIRMED}, event="dismissed", by=member, error_code="dismissed")
