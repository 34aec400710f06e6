"""Recording results: what an answer, a callback or a look-up does to its row."""

import secrets
from datetime import timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone

from ... import provider
from ..secret_keys import hash_key
from ..state import AT_THE_PROVIDER, EVERY, State
from .result_facts import failure_facts, media_facts, video_facts
from .task_ids import ANSWER, CALLBACK, LOOK_UP, OnSuccess, TaskIds, Verdict

# Seconds until the first look-up: a callback is faster, so the sweep waits for it longer.
FIRST_POLL_WITH_CALLBACK, FIRST_POLL = 8, 3


class Results(TaskIds):
    class Meta:
        abstract = True

    def opens_with(self, key: str) -> bool:
        """Whether this is the key of the callback URL that the last claim sent."""
        return bool(self.callback_key_hash) and secrets.compare_digest(self.callback_key_hash, hash_key(key))

    def record(self, result: provider.Result, channel: str, on_success: OnSuccess = None) -> Verdict:
        """Record a result from an answer, a callback or a look-up ("sweep"): the only way in for results.

        A result with a video completes the row from any state but `completed`. A late task id is always kept. Other
        results for a finished row change nothing, and those for another task are refused. `on_success` is called in
        the transaction in which a video becomes ours to save.
        """
        while True:
            verdict = self._record_once(result, channel, on_success)
            if verdict is not None:
                return verdict

    def _record_once(self, result: provider.Result, channel: str, on_success: OnSuccess) -> Verdict | None:
        """Record a result; None if only the row's task id was corrected, so that it has to be recorded again."""
        task: dict[str, Any] = {"task_id": result.task_id, "task_id_channel": channel} if result.task_id else {}
        try:
            moved = self._apply(result, channel, task, on_success)
            if channel == ANSWER and not (moved and self.state == State.PROCESSING) and self.token:
                # A faster channel has moved the row, or this answer ended it: the answer is clear in either case.
                self.token.record_clear_answer(accepted=True)
            # The transition that did not apply has reloaded the row, so its task id is up to date.
            if not moved and task and self.task_id not in ("", result.task_id):
                return self._handle_other_task(result, channel)
            if not moved and task and not self.task_id:
                moved = self._keep_late_task(task, channel)
        except IntegrityError as error:
            try:
                return self._handle_shared_task(result, channel)
            except LookupError:
                raise error from None
        if task:
            self._trust(channel)
        if not moved and task:
            moved = self._settle_video_in_question(result, channel, on_success) or self._confirm_failure(
                result, channel
            )
        return Verdict.RECORDED if moved else Verdict.KNOWN

    def _keep_late_task(self, task: dict[str, Any], channel: str) -> bool:
        """Keep a late task id whatever the state: with it, a missing video can be looked up."""
        poll: dict[str, Any] = {} if self.state == State.COMPLETED else {"next_poll_at": timezone.now()}
        return self._transition(EVERY, event="task_known", text=f"By {channel}.", **task, **poll)

    def _apply(self, result: provider.Result, channel: str, task: dict[str, Any], on_success: OnSuccess) -> bool:
        if result.status is provider.Status.COMPLETED:
            return self._complete(result, channel, task, on_success)
        if result.status is provider.Status.FAILED:
            facts = failure_facts(result, channel) | self._check_failure(task, channel)
            return self._fail(AT_THE_PROVIDER, event="failed", trace_id=result.trace_id, **facts, **task)
        return self._accept(channel, task)

    def _check_failure(self, task: dict[str, Any], channel: str) -> dict[str, Any]:
        """Look up a failure that only a callback reports, about a task that only callbacks have named."""
        unsure = channel == CALLBACK and task and self.task_id_channel in ("", CALLBACK)
        return {"next_poll_at": timezone.now()} if unsure else {}

    def _confirm_failure(self, result: provider.Result, channel: str) -> bool:
        """Stop looking up a failed row once a look-up confirms that its task failed. The row itself does not change."""
        if channel == LOOK_UP and result.status is provider.Status.FAILED:
            type(self).objects.filter(pk=self.pk, state=State.FAILED, next_poll_at__isnull=False).update(
                next_poll_at=None
            )
        return False

    def _accept(self, channel: str, task: dict[str, Any]) -> bool:
        if not task:
            return False
        now, token = timezone.now(), self.token
        from_states = {State.SUBMITTING, State.UNCONFIRMED}
        if self.token_id:
            # It was returned to the queue by mistake: its task exists, so it is not sent again.
            from_states.add(State.QUEUED)

        def record_clear_answer() -> None:
            if channel == ANSWER and token:
                token.record_clear_answer(accepted=True)

        return self._transition(
            from_states,
            event="accepted",
            text=f"By {channel}.",
            state=State.PROCESSING,
            accepted_at=now,
            next_poll_at=now
            + timedelta(seconds=FIRST_POLL_WITH_CALLBACK if token and token.public_url else FIRST_POLL),
            error_code="",
            error_message="",
            on_success=record_clear_answer,
            **task,
        )

    def _complete(self, result: provider.Result, channel: str, task: dict[str, Any], on_success: OnSuccess) -> bool:
        facts: dict[str, Any] = {
            "event": "completed",
            "text": f"By {channel}.",
            "trace_id": result.trace_id,
            **video_facts(self, result, channel),
            **task,
        }
        moved = self._transition(
            EVERY - {State.COMPLETED},
            condition=Q(purged_at__isnull=True),
            on_success=on_success,
            **facts,
            **media_facts(result),
        )
        if not moved and self.purged_at:
            # Deleted permanently before the video arrived: record that it was made, and keep none of it.
            moved = self._transition(EVERY - {State.COMPLETED}, condition=Q(purged_at__isnull=False), **facts)
        return moved
