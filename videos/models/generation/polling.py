"""When a row's task is looked up again, and when it is given up."""

import random
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from ..state import ASKED_AFTER_THE_END, LOOKED_UP_AT_LEAST, State
from .transition import Transitions


class Polling(Transitions):
    class Meta:
        abstract = True

    @property
    def is_overdue(self) -> bool:
        """Whether the row is past its deadline by the number of look-ups, too: the clock alone may have jumped."""
        return self.poll_count >= LOOKED_UP_AT_LEAST and self.is_past_deadline

    def give_up(self) -> bool:
        """Fail a row without a result. It is still looked up hourly for a day: a late video is kept."""
        return self._fail(
            {State.PROCESSING},
            event="failed",
            error_code="overdue",
            error_message="No result came.",
            next_poll_at=timezone.now() + timedelta(hours=1),
        )

    def schedule_next_poll(self) -> None:
        """Look a running task up soon while its usual time lasts, then less often, and no longer than a day."""
        now = timezone.now()
        age = (now - self.waiting_since).total_seconds()
        wait = 4 if age < 120 else min(10, age / 30) if age < self.timeout else 60
        next_poll: datetime | None = now + timedelta(seconds=wait * random.uniform(0.8, 1.2))
        if self.state in (State.FAILED, State.COMPLETED):
            ended = self.finished_at or now
            next_poll = now + timedelta(hours=1) if now - ended < ASKED_AFTER_THE_END else None
        waiting = type(self).objects.filter(pk=self.pk, next_poll_at__isnull=False)
        waiting.update(poll_count=F("poll_count") + 1, next_poll_at=next_poll)
