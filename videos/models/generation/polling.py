"""Which tasks are due to be looked up at their provider, and what is put off together."""

import random
from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from ..state import ASKED_AFTER_THE_END, GRACE, SUBMITTING_AT_MOST, State, Unfinished, is_due
from ..token import ApiToken, Health

# The error code of a row that runs at the provider while its token is refused, so that nobody can look it up.
TOKEN_REFUSED = "token_refused"
# What is under way is never put off for longer than this, and anything else for no longer than that.
UNDER_WAY_AT_MOST = timedelta(minutes=10)
LOOK_UP_AT_MOST = timedelta(hours=2)
# With a refused token: its provider may take it again before anybody replaces the secret.
REFUSED_AGAIN = 300.0  # seconds


class LookUpQuerySet(models.QuerySet):
    def due_for_polling(self, now: datetime | None = None) -> "LookUpQuerySet":
        """Tasks whose result should be looked up: nobody calls us back, the callback is late, or we gave up lately."""
        now = now or timezone.now()
        under_way = Q(state__in=[State.SUBMITTING, State.PROCESSING, State.UNCONFIRMED])
        due = is_due("ask_at", now, LOOK_UP_AT_MOST) | under_way & is_due("ask_at", now, UNDER_WAY_AT_MOST)
        return self.filter(due).exclude(task_id="")

    def poll_now(self) -> int:
        """Have the sweep look these tasks up at its next tick; return how many there are."""
        expected = [State.SUBMITTING, State.PROCESSING, State.UNCONFIRMED, State.FAILED]
        return self.filter(state__in=expected).exclude(task_id="").update(ask_at=timezone.now())

    def postpone_polling(self, seconds: float) -> int:
        """Look these up again after so many seconds, or a little more: one UPDATE, however many there are."""
        wait = timedelta(seconds=seconds * random.uniform(1, 1.5))
        return self.filter(ask_at__isnull=False).update(ask_at=timezone.now() + wait)

    def overdue(self, now: datetime | None = None) -> list:
        """Still without an end a day after all patience was over: its provider cannot be asked (any more)."""
        now = now or timezone.now()
        slow = self.filter(Unfinished("state"), state=State.PROCESSING)
        slow = slow.filter(accepted_at__lt=now - GRACE - ASKED_AFTER_THE_END)
        return [row for row in slow if row.is_past_patience]

    def submitting(self) -> "LookUpQuerySet":
        return self.filter(Unfinished("state"), state=State.SUBMITTING)

    def stuck_submitting(self, now: datetime | None = None) -> "LookUpQuerySet":
        """Their worker died, or hangs beyond what a POST may take."""
        return self.submitting().filter(submitted_at__lt=(now or timezone.now()) - SUBMITTING_AT_MOST)

    # ── A token that is refused while its tasks run ───────────────────────────────────────────────────────────

    def note_refused_token(self, token: ApiToken) -> int:
        """Say on all that run with this token, if it is out by now, that they cannot be looked up; count them."""
        out = ApiToken.objects.filter(pk=token.pk, health=Health.INVALID)
        unaware = Q(token__in=out, error_code="")
        if not self.filter(Unfinished("state"), unaware, state=State.PROCESSING).exists():
            return 0
        with transaction.atomic():
            return self._all_of(State.PROCESSING, "look_ups_stopped", "", only=unaware, error_code=TOKEN_REFUSED)

    def resume_polling(self) -> int:
        """Look up again what runs with tokens that have a new secret or work again; count the rows."""
        back = Q(error_code=TOKEN_REFUSED) & ~Q(token__in=ApiToken.objects.filter(health=Health.INVALID))
        if not self.filter(Unfinished("state"), back, state=State.PROCESSING).exists():
            return 0
        again = {"error_code": "", "ask_at": timezone.now()}
        with transaction.atomic():
            return self._all_of(State.PROCESSING, "look_ups_resumed", "", only=back, **again)
