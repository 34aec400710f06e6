"""Videos in doubt: sent, as far as anybody knows, and without a task id by which the provider could be asked."""

from datetime import datetime, timedelta

from django.db import IntegrityError, models
from django.db.models import Case, Q, Value, When
from django.utils import timezone

from ..found_task import FoundTask
from ..state import SearchOutcome, State, Unfinished
from ..token import ApiToken

# When a video in doubt is searched for at the provider: seconds after its claim. The fourth is just after the last
# moment at which its task can have been created.
SEARCH_STEPS = (20, 60, 180, 660, 1_800, 7_200, 21_600, 86_400, 172_800)
# A provider without a listing is not asked again sooner than this.
WITHOUT_LISTING = timedelta(hours=1)
# A search that failed is tried again after this.
SEARCH_AGAIN = timedelta(minutes=2)
# While a video is younger than the third step.
SEARCH_AGAIN_YOUNG = timedelta(seconds=40)
# Between the creation of a row and its claim; what a restore brought back may have waited longer.
WAITED_AT_MOST = timedelta(days=3)

DISMISSED = Q(state=State.FAILED, error_code="dismissed")
SEARCHED = {
    SearchOutcome.NOT_FOUND: "The provider lists no such task.",
    SearchOutcome.OFFERED: "The provider lists tasks that may be this video.",
    SearchOutcome.UNAVAILABLE: "The provider does not list its tasks.",
}


class TaskTaken(Exception):
    """Another video has this task already."""


def next_search(claimed_at: datetime, after: datetime) -> datetime | None:
    """Return when to search next for a video that was claimed then; None once the last step is over."""
    steps = (claimed_at + timedelta(seconds=seconds) for seconds in SEARCH_STEPS)
    return next((step for step in steps if step > after), None)


class InDoubtQuerySet(models.QuerySet):
    def in_doubt(self) -> "InDoubtQuerySet":
        """Those that may be at the provider under an id nobody knows here; a dismissed one is still its member's."""
        return self.filter(Q(state=State.UNCONFIRMED) | DISMISSED, task_id="", purged_at__isnull=True)

    def due_for_search(self, now: datetime | None = None) -> "InDoubtQuerySet":
        """Those whose search is due, the longest due first."""
        due = self.filter(state=State.UNCONFIRMED, task_id="", ask_at__lte=now or timezone.now())
        due = due.filter(token__isnull=False, submitted_at__isnull=False)
        return due.select_related("token", "parent").order_by("ask_at")

    def possible_owners(self, provider: str, since: datetime, until: datetime) -> "list":
        """Those without a task id of which a task created at this provider between two moments may be.

        That is what is in doubt, what is being sent, and what a restore brought back as unsent.
        """
        rows = self.filter(task_id="", purged_at__isnull=True).select_related("parent")
        claimed = rows.filter(submitted_at__range=(since, until), token__base_url=provider)
        unfinished = rows.filter(Unfinished("state"))
        restored = Q(state=State.QUEUED, held_at__isnull=False, created_at__lte=until)
        return [
            *claimed.filter(Unfinished("state"), state__in=[State.UNCONFIRMED, State.SUBMITTING]),
            *unfinished.filter(restored),
            # No index knows these; that of their creation leads near them.
            *claimed.filter(DISMISSED, created_at__range=(since - WAITED_AT_MOST, until)),
        ]

    def retry_search_soon(self) -> None:
        """The provider did not answer: search for these again shortly, in one UPDATE however many there are."""
        now = timezone.now()
        young = now - timedelta(seconds=SEARCH_STEPS[2])
        soon = Case(
            When(submitted_at__gt=young, then=Value(now + SEARCH_AGAIN_YOUNG)),
            default=Value(now + SEARCH_AGAIN),
            output_field=models.DateTimeField(),
        )
        self.filter(state=State.UNCONFIRMED, task_id="").order_by().update(ask_at=soon)

    def end_late_searches(self, now: datetime | None = None) -> int:
        """Stop searching for what was claimed so long ago that the provider may have forgotten it."""
        now = now or timezone.now()
        # An hour longer than the last step, which then still takes place.
        forgotten = now - timedelta(seconds=SEARCH_STEPS[-1]) - timedelta(hours=1)
        late = self.filter(state=State.UNCONFIRMED, task_id="", ask_at__lte=now)
        return late.filter(Q(submitted_at__lt=forgotten) | Q(submitted_at=None) | Q(token=None)).update(ask_at=None)


class InDoubt:
    """The search for the task of a row in doubt; mixed into Generation."""

    @property
    def is_in_doubt(self) -> bool:
        return self.state == State.UNCONFIRMED and not self.task_id

    @property
    def is_searched_for(self) -> bool:
        """Whether another search at the provider is to come."""
        return self.is_in_doubt and self.ask_at is not None

    @property
    def offers(self) -> list[FoundTask]:
        """The provider's tasks that may be this video, the earliest first; asked for only where there are any."""
        if not self.is_in_doubt or self.search_outcome != SearchOutcome.OFFERED:
            return []
        return list(self.found_tasks.all())

    def found(self, task_id: str, how: str, by=None) -> bool:
        """Keep the task that was found for it; False where it has one by now, or another video took this one."""
        try:
            return self._advance(
                {State.UNCONFIRMED, State.FAILED},
                because="found",
                by=by,
                text=how,
                only=Q(Q(state=State.UNCONFIRMED) | DISMISSED, task_id=""),
                along=lambda: self.reserve_task(self.token, task_id),
                task_id=task_id,
                ask_at=timezone.now(),
            )
        except (TaskTaken, IntegrityError):
            return False

    def reserve_task(self, token: ApiToken, task_id: str) -> None:
        """Make sure, in the transaction that writes it, that no other video has this task; raise TaskTaken.

        The tokens of one provider may be of one account, so the constraint of the table, by token, is not enough.
        """
        task = FoundTask.objects.lock(token, task_id)
        others = type(self).objects.filter(token__base_url=token.base_url, task_id__in={task_id, task_id.lower()})
        if others.exclude(pk=self.pk).exists():
            raise TaskTaken(task_id)
        task.delete()

    def record_search(self, outcome: SearchOutcome, candidates: list[FoundTask]) -> None:
        """Note what a search has brought, and when the next one is due; in its story only what is new."""
        now = timezone.now()
        ask_at = next_search(self.submitted_at, now + WITHOUT_LISTING if outcome == SearchOutcome.UNAVAILABLE else now)
        known = set(self.found_tasks.values_list("pk", flat=True))
        is_new = outcome != self.search_outcome or {task.pk for task in candidates} != known
        if not is_new and ask_at:
            rows = type(self).objects.filter(pk=self.pk, state=State.UNCONFIRMED, task_id="")
            rows.update(ask_at=ask_at)
            return
        self._advance(
            {State.UNCONFIRMED},
            because="searched" if is_new else "search_ended",
            text=SEARCHED[outcome],
            only=Q(task_id=""),
            along=lambda: self.found_tasks.set(candidates),
            search_outcome=outcome,
            ask_at=ask_at,
        )

    def end_search_if_over(self) -> bool:
        """The provider did not answer: end the search if its last step is over; False while there is another."""
        if next_search(self.submitted_at, timezone.now()):
            return False
        text = "The provider could not be asked."
        return self._advance({State.UNCONFIRMED}, because="search_ended", text=text, only=Q(task_id=""), ask_at=None)
