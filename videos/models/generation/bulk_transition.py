"""Transitions of many rows at once."""

from datetime import timedelta
from typing import Any, TypeVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from ..event import Event
from ..member import Member
from ..state import ANY, State
from .fields import GenerationFields

Row = TypeVar("Row", bound=GenerationFields)

# Rows that get the same `changed_at`. An open page remembers the last 150 changes it has seen: more rows with one
# timestamp would make it fetch the same changes again and again.
ROWS_PER_TIMESTAMP = 100


class BulkTransitionQuerySet(models.QuerySet[Row]):
    def _transition_all(
        self,
        from_state: State,
        event: str,
        text: str,
        condition: Q = ANY,
        by: Member | None = None,
        **changes: Any,
    ) -> int:
        """Change all matching rows in this state, each with an event; return their number. Call it in a transaction."""
        rows = self.filter(condition, state=from_state)
        # Lock the rows first, so that the events are about the rows that change: a worker may claim one meanwhile.
        locked = rows.select_for_update(no_key=True).order_by("pk")
        pks, now = list(locked.values_list("pk", flat=True)), timezone.now()
        events = [Event(generation_id=pk, kind=event, text=text, member=by) for pk in pks]
        Event.objects.bulk_create(events, batch_size=500)
        changed = 0
        for start in range(0, len(pks), ROWS_PER_TIMESTAMP):
            moment = now + start // ROWS_PER_TIMESTAMP * timedelta(milliseconds=10)
            batch = rows.filter(pk__in=pks[start : start + ROWS_PER_TIMESTAMP])
            changed += batch.update(**changes, version=F("version") + 1, changed_at=moment)
        return changed
