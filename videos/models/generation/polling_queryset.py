"""The tasks that are due to be looked up at the provider."""

import random
from datetime import datetime, timedelta
from typing import Self

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ..circuit import Health
from ..state import ASKED_AFTER_THE_END, RESULT_GRACE, SUBMITTING_AT_MOST, TOKEN_REFUSED, State, Unfinished, is_due
from ..token import ApiToken
from .bulk_transition import BulkTransitionQuerySet, Row

# The longest wait until the next look-up: of a task in progress, and of any other. A later due time was written by a
# clock that has since been set back.
IN_PROGRESS_WAIT_AT_MOST = timedelta(minutes=10)
WAIT_AT_MOST = timedelta(hours=2)
# Seconds between look-ups with a refused token: the provider may accept it again before an admin replaces the secret.
REFUSED_AGAIN = 300.0


class PollingQuerySet(BulkTransitionQuerySet[Row]):
    def due_for_polling(self, now: datetime | None = None) -> Self:
        """Select tasks to look up: without a callback, with a late one, or recently given up."""
        now = now or timezone.now()
        in_progress = Q(state__in=[State.SUBMITTING, State.PROCESSING, State.UNCONFIRMED])
        due = is_due("next_poll_at", now, WAIT_AT_MOST) | in_progress & is_due(
            "next_poll_at", now, IN_PROGRESS_WAIT_AT_MOST
        )
        return self.filter(due).exclude(task_id="")

    def poll_now(self) -> int:
        """Make these tasks due for the sweep's next look-up; return their number."""
        expected = [State.SUBMITTING, State.PROCESSING, State.UNCONFIRMED, State.FAILED]
        return self.filter(state__in=expected).exclude(task_id="").update(next_poll_at=timezone.now())

    def postpone_polling(self, seconds: float) -> int:
        """Make these due again after `seconds`, or up to half as long again, in one UPDATE; return their number."""
        wait = timedelta(seconds=seconds * random.uniform(1, 1.5))
        return self.filter(next_poll_at__isnull=False).update(next_poll_at=timezone.now() + wait)

    def overdue(self, now: datetime | None = None) -> list[Row]:
        """List rows without a result a day after their deadline, which the provider cannot be asked about."""
        now = now or timezone.now()
        slow = self.filter(Unfinished("state"), state=State.PROCESSING)
        slow = slow.filter(accepted_at__lt=now - RESULT_GRACE - ASKED_AFTER_THE_END)
        return [row for row in slow if row.is_past_deadline]

    def submitting(self) -> Self:
        return self.filter(Unfinished("state"), state=State.SUBMITTING)

    def stuck_submitting(self, now: datetime | None = None) -> Self:
        """Select rows whose worker died, or has taken longer than a POST can take."""
        return self.submitting().filter(submitted_at__lt=(now or timezone.now()) - SUBMITTING_AT_MOST)

    def mark_token_refused(self, token: ApiToken) -> int:
        """Mark the rows that run with this token as not looked up, if the token is invalid; return their number."""
        invalid = ApiToken.objects.filter(pk=token.pk, health=Health.INVALID)
        unmarked = Q(token__in=invalid, error_code="")
        if not self.filter(Unfinished("state"), unmarked, state=State.PROCESSING).exists():
            return 0
        with transaction.atomic():
            return self._transition_all(
                State.PROCESSING, "look_ups_stopped", "", condition=unmarked, error_code=TOKEN_REFUSED
            )

    def resume_polling(self) -> int:
        """Look up the marked rows again whose token has a new secret or works again; return their number."""
        resumed = Q(error_code=TOKEN_REFUSED) & ~Q(token__in=ApiToken.objects.filter(health=Health.INVALID))
        if not self.filter(Unfinished("state"), resumed, state=State.PROCESSING).exists():
            return 0
        with transaction.atomic():
            return self._transition_all(
                State.PROCESSING, "look_ups_resumed", "", condition=resumed, error_code="", next_poll_at=timezone.now()
            )
