"""The search in the provider's list for the task of an unconfirmed row."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone

from ..found_task import FoundTask
from ..member import Member
from ..state import HoldReason, SearchOutcome, State
from ..token import ApiToken
from .task_search_queryset import DISMISSED, SEARCH_STEPS
from .transition import Transitions

# A provider without a list of tasks is not asked again sooner.
WITHOUT_LISTING = timedelta(hours=1)
SEARCHED = {
    SearchOutcome.NOT_FOUND: "The provider lists no such task.",
    SearchOutcome.OFFERED: "The provider lists tasks that may be this video.",
    SearchOutcome.UNAVAILABLE: "The provider does not list its tasks.",
}


class TaskTaken(Exception):
    """Another video already has this task."""


def next_search(claimed_at: datetime, after: datetime) -> datetime | None:
    """Return when to search next for a row claimed at `claimed_at`; None once the last step is over."""
    steps = (claimed_at + timedelta(seconds=seconds) for seconds in SEARCH_STEPS)
    return next((step for step in steps if step > after), None)


class TaskSearch(Transitions):
    class Meta:
        abstract = True

    @property
    def is_in_doubt(self) -> bool:
        return self.state == State.UNCONFIRMED and not self.task_id

    @property
    def is_searched_for(self) -> bool:
        """Whether another search at the provider will follow."""
        return self.is_in_doubt and self.next_poll_at is not None

    @property
    def offers(self) -> list[FoundTask]:
        """The provider's tasks that may be this video, the earliest first."""
        if not self.is_in_doubt or self.search_outcome != SearchOutcome.OFFERED:
            return []
        return list(self.found_tasks.all())

    def adopt(self, member: Member, token: ApiToken, on_success: Callable[[], None] | None = None) -> bool:
        """Make an admin's row wait for the result of a task they found: it was sent, and is never sent again."""
        return self._transition(
            {State.QUEUED, State.UNCONFIRMED, State.FAILED, State.CANCELED},
            event="adopted",
            by=member,
            condition=Q(task_id=""),
            on_success=on_success,
            state=State.UNCONFIRMED,
            token=token,
            claimed_on=None,
            held_at=None,
            hold_reason=HoldReason.UNKNOWN,
            finished_at=None,
            # An admin who looks for a video does not want it in the trash.
            trashed_at=None,
            trashed_by=None,
            next_poll_at=timezone.now(),
        )

    def assign_task(self, task_id: str, how: str, by: Member | None = None) -> bool:
        """Give the row a task that was found for it; return False if the row or the task is taken already."""
        token = self.token
        if token is None:
            return False
        try:
            return self._transition(
                {State.UNCONFIRMED, State.FAILED},
                event="found",
                by=by,
                text=how,
                condition=Q(Q(state=State.UNCONFIRMED) | DISMISSED, task_id=""),
                on_success=lambda: self.reserve_task(token, task_id),
                task_id=task_id,
                next_poll_at=timezone.now(),
            )
        except (TaskTaken, IntegrityError):
            return False

    def reserve_task(self, token: ApiToken, task_id: str) -> None:
        """Make sure, in the transaction that writes it, that no other video has this task. Raises TaskTaken.

        Tokens of one provider may belong to one account, so the table's constraint, which is per token, is not enough.
        """
        task = FoundTask.objects.lock(token, task_id)
        others = type(self).objects.filter(token__base_url=token.base_url, task_id__in={task_id, task_id.lower()})
        if others.exclude(pk=self.pk).exists():
            raise TaskTaken(task_id)
        task.delete()

    def record_search(self, outcome: SearchOutcome, candidates: list[FoundTask]) -> None:
        """Record a search's outcome and when the next is due; add an event only if something is new."""
        now = timezone.now()
        earliest = now + WITHOUT_LISTING if outcome == SearchOutcome.UNAVAILABLE else now
        next_poll_at = next_search(self.submitted_at or self.created_at, earliest)
        known = set(self.found_tasks.values_list("pk", flat=True))
        is_new = outcome != self.search_outcome or {task.pk for task in candidates} != known
        if not is_new and next_poll_at:
            rows = type(self).objects.filter(pk=self.pk, state=State.UNCONFIRMED, task_id="")
            rows.update(next_poll_at=next_poll_at)
            return
        self._transition(
            {State.UNCONFIRMED},
            event="searched" if is_new else "search_ended",
            text=SEARCHED[outcome],
            condition=Q(task_id=""),
            on_success=lambda: self.found_tasks.set(candidates),
            search_outcome=outcome,
            next_poll_at=next_poll_at,
        )

    def end_search_if_over(self) -> bool:
        """End a search that the provider did not answer, if that was its last step; return whether it has ended."""
        if next_search(self.submitted_at or self.created_at, timezone.now()):
            return False
        return self._transition(
            {State.UNCONFIRMED},
            event="search_ended",
            text="The provider could not be asked.",
            condition=Q(task_id=""),
            next_poll_at=None,
        )
