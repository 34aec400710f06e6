"""The one place that changes a generation's state."""

from collections.abc import Callable, Collection
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from lumaweb.logs import redact

from ..budget import Balance
from ..event import Event
from ..member import Member
from ..state import ANY, State
from ..token import ApiToken
from .fields import GenerationFields
from .queryset import GenerationQuerySet


class Transitions(GenerationFields):
    """Guarded transitions, on which the modules for each phase build."""

    objects = GenerationQuerySet.as_manager()

    class Meta:
        abstract = True

    def _transition(
        self,
        from_states: Collection[str],
        *,
        event: str,
        by: Member | None = None,
        text: str = "",
        code: str = "",
        trace_id: str = "",
        condition: Q = ANY,
        on_success: Callable[[], None] | None = None,
        replaces_task: str = "",
        **changes: Any,
    ) -> bool:
        """Write `changes` if the row is in one of `from_states` and meets `condition`; return whether it was written.

        The row, its event, its token's counters, its member's balance and `on_success` share one transaction. A task
        id is written only over none, over the same one, or over `replaces_task`.
        """
        # The provider's message may quote one of our secret URLs.
        text = redact(text)
        changes = _completed(changes, trace_id)
        if task_id := changes.get("task_id"):
            condition &= Q(task_id__in=[replaces_task, task_id])
        with transaction.atomic(durable=True):
            before = self.state
            written = self._write(from_states, condition, changes)
            if written is None:
                # Another process changed the row, or it is in no such state: read it and lock it until the end.
                self._reload_and_lock()
                before = self.state
                written = self._write(from_states, condition, changes)
            if written is None:
                return False
            Event.objects.create(
                generation_id=self.pk,
                kind=event,
                member=by,
                text=text[:500],
                code=code[:100],
                trace_id=trace_id[:100],
            )
            if on_success:
                on_success()
            # Last, because every transition updates these shared rows and waits for this transaction to end.
            after = written.get("state", before)
            # A row that moves to another token leaves the counts of its old one, and the new one did not send it.
            old_token_state = State.QUEUED if "token" in written else after
            ApiToken.follow(self.token_id, self.claimed_on, self.amount, before, old_token_state)
            Balance.objects.follow(self.member_id, self.month, self.amount, before, after, self.token_id)
        if any(hasattr(value, "resolve_expression") for value in written.values()):
            self.refresh_from_db()
        else:
            for name, value in written.items():
                setattr(self, name, value)
        return True

    def _reload_and_lock(self, condition: Q = ANY, *, skip_locked: bool = False) -> None:
        """Read the row again and lock it until the end of the transaction; raise DoesNotExist if none matches.

        NO KEY, so that a star or an event can still be added to a locked row.
        """
        rows = type(self).objects.filter(condition, pk=self.pk)
        self.refresh_from_db(from_queryset=rows.select_for_update(no_key=True, skip_locked=skip_locked))

    def _write(self, from_states: Collection[str], condition: Q, changes: dict[str, Any]) -> dict[str, Any] | None:
        """Update the row if it still has the version this object has read; return the written values, else None."""
        if self.state not in from_states:
            return None
        values = changes | {"version": self.version + 1, "changed_at": timezone.now()}
        if changes.get("task_id") and changes["task_id"] == self.task_id:
            # `_trust` records who confirmed a known task id, and never lowers the trust in it.
            values["task_id_channel"] = self.task_id_channel
        known = type(self).objects.filter(condition, pk=self.pk, version=self.version, state=self.state)
        return values if known.update(**values) else None

    def _fail(self, from_states: Collection[str], *, event: str, **options: Any) -> bool:
        """Fail the row; `options` are those of `_transition`, and override the values of a failed row."""
        failed: dict[str, Any] = {"state": State.FAILED, "finished_at": timezone.now(), "next_poll_at": None}
        return self._transition(
            from_states,
            event=event,
            text=options.get("error_message", ""),
            code=options.get("error_code", ""),
            **failed | options,
        )


def _completed(changes: dict[str, Any], trace_id: str) -> dict[str, Any]:
    """Return the changes with redacted messages and the values that depend on others."""
    completed = dict(changes)
    if completed.get("error_message"):
        completed["error_message"] = redact(completed["error_message"])
    if "error_code" in completed:
        # The status belongs to the code beside it.
        completed.setdefault("error_status", None)
    if trace_id:
        completed["trace_id"] = trace_id[:200]
    return completed
