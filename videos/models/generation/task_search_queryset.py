"""Rows that were probably sent, but whose task id is not known."""

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Case, Q, Value, When
from django.utils import timezone

from ..state import State, Unfinished
from .bulk_transition import Row
from .polling_queryset import PollingQuerySet

# When to search the provider's list for a row without a task id: seconds after its claim. The fourth search is just
# after the last moment at which the provider can have created its task.
SEARCH_STEPS = (20, 60, 180, 660, 1_800, 7_200, 21_600, 86_400, 172_800)
# A failed search is repeated after this; while the row is younger than the third step, after the shorter time.
RETRY_SEARCH_AFTER = timedelta(minutes=2)
RETRY_YOUNG_SEARCH_AFTER = timedelta(seconds=40)
# The longest time between the creation of a row and its claim; a restored row may have waited longer.
WAITED_AT_MOST = timedelta(days=3)

DISMISSED = Q(state=State.FAILED, error_code="dismissed")


class TaskSearchQuerySet(PollingQuerySet[Row]):
    def in_doubt(self) -> Self:
        """Select rows that may be at the provider under an unknown task id, also those their member has dismissed."""
        return self.filter(Q(state=State.UNCONFIRMED) | DISMISSED, task_id="", purged_at__isnull=True)

    def due_for_search(self, now: datetime | None = None) -> Self:
        """Select rows whose search is due, the longest due first."""
        due = self.filter(state=State.UNCONFIRMED, task_id="", next_poll_at__lte=now or timezone.now())
        due = due.filter(token__isnull=False, submitted_at__isnull=False)
        return due.select_related("token", "parent").order_by("next_poll_at")

    def possible_owners(self, provider: str, since: datetime, until: datetime) -> list[Row]:
        """List the rows without a task id that a task created at this provider between two moments may belong to.

        Those are rows in doubt, rows being submitted, and rows that a restore brought back as unsent.
        """
        rows = self.filter(task_id="", purged_at__isnull=True).select_related("parent")
        claimed = rows.filter(submitted_at__range=(since, until), token__base_url=provider)
        unfinished = rows.filter(Unfinished("state"))
        restored = Q(state=State.QUEUED, held_at__isnull=False, created_at__lte=until)
        return [
            *claimed.filter(Unfinished("state"), state__in=[State.UNCONFIRMED, State.SUBMITTING]),
            *unfinished.filter(restored),
            # No index covers dismissed rows; the one on `created_at` narrows the search.
            *claimed.filter(DISMISSED, created_at__range=(since - WAITED_AT_MOST, until)),
        ]

    def retry_search_soon(self) -> None:
        """Search for these again shortly, as the provider did not answer: one UPDATE for any number of rows."""
        now = timezone.now()
        young = now - timedelta(seconds=SEARCH_STEPS[2])
        soon = Case(
            When(submitted_at__gt=young, then=Value(now + RETRY_YOUNG_SEARCH_AFTER)),
            default=Value(now + RETRY_SEARCH_AFTER),
            output_field=models.DateTimeField(),
        )
        self.filter(state=State.UNCONFIRMED, task_id="").order_by().update(next_poll_at=soon)

    def end_late_searches(self, now: datetime | None = None) -> int:
        """Stop searching for rows that the provider may have forgotten by now; return their number."""
        now = now or timezone.now()
        # An hour after the last step, so that the last step still takes place.
        forgotten = now - timedelta(seconds=SEARCH_STEPS[-1]) - timedelta(hours=1)
        late = self.filter(state=State.UNCONFIRMED, task_id="", next_poll_at__lte=now)
        return late.filter(Q(submitted_at__lt=forgotten) | Q(submitted_at=None) | Q(token=None)).update(
            next_poll_at=None
        )
