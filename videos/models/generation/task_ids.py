"""Which task belongs to a row, when an answer, a look-up and a callback disagree.

The most trusted channel decides, whichever reported first. An answer came over TLS and belongs to our own request; a
look-up shows that the task exists; a callback may come from anybody who has its URL. `task_id_channel` tells which.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from enum import Enum, auto
from typing import Any

from django.db.models import Q
from django.utils import timezone

from ... import provider
from ..orphaned_file import OrphanedFile
from ..state import AT_THE_PROVIDER, EVERY, SAME_TASK, State
from .result_facts import NO_VIDEO, failure_facts, media_facts, video_facts
from .transition import Transitions

logger = logging.getLogger(__name__)

ANSWER, LOOK_UP, CALLBACK = "answer", "sweep", "callback"
TRUST = {"": 0, CALLBACK: 1, LOOK_UP: 2, ANSWER: 3}
CERTAIN = (ANSWER, LOOK_UP, "")  # rows of an earlier version have no channel, and most ids came with the answer

# A completed row is looked up only while it is unclear whether its video belongs to its task.
IN_QUESTION = Q(next_poll_at__isnull=False)

OnSuccess = Callable[[], None] | None


class Verdict(Enum):
    """What `record` did with a result."""

    RECORDED = auto()
    KNOWN = auto()
    REFUSED = auto()


class TaskIds(Transitions):
    class Meta:
        abstract = True

    def _trust(self, channel: str) -> None:
        """Record that a more trusted channel confirmed the known task."""
        if TRUST[channel] > TRUST.get(self.task_id_channel, 0):
            type(self).objects.filter(pk=self.pk, task_id=self.task_id).update(task_id_channel=channel)
            self.task_id_channel = channel

    # ── A result that names another task than the known one ───────────────────────────────────────────────────

    def _handle_other_task(self, result: provider.Result, channel: str) -> Verdict | None:
        """Let an answer replace the known task, and refuse other channels. None: record the result again."""
        if channel == ANSWER and self.task_id_channel != ANSWER:
            return self._correct_task(result)
        logger.warning("generation %s: %s about another task refused: %s", self.uuid, channel, result.task_id)
        self.events.create(kind="foreign_news", text=f"By {channel}: task {result.task_id}.")
        return Verdict.REFUSED

    def _correct_task(self, result: provider.Result) -> Verdict | None:
        """Replace the known task by the answer's, and look that up; None: record the result for the right task.

        A video that came with the wrong id stays until the look-up shows whose it is, because the provider may have
        confused the ids only. A failure that came with it is undone.
        """
        now, wrong = timezone.now(), self.task_id
        logger.warning("generation %s: the answer names task %s instead of %s", self.uuid, result.task_id, wrong)
        step: dict[str, Any] = {
            "event": "task_corrected",
            "text": f"The answer names task {result.task_id}. The earlier result was about {wrong}.",
            "replaces_task": wrong,
            "task_id": result.task_id,
            "task_id_channel": ANSWER,
        }
        reopened: dict[str, Any] = {
            "state": State.PROCESSING,
            "accepted_at": now,
            "error_code": "",
            "error_message": "",
        }
        corrected = (
            self._transition({State.COMPLETED}, condition=Q(purged_at__isnull=True), next_poll_at=now, **step)
            or self._transition(AT_THE_PROVIDER, next_poll_at=now, **step, **reopened)
            or self._transition(
                {State.FAILED},
                condition=Q(result_channel__in=[CALLBACK, LOOK_UP], trashed_at__isnull=True),
                next_poll_at=now,
                result_channel="",
                finished_at=None,
                **step,
                **reopened,
            )
            or self._transition(EVERY - {State.COMPLETED}, next_poll_at=now, **step)
            or self._transition(EVERY, **step)
        )
        if not corrected:
            return Verdict.KNOWN
        return Verdict.RECORDED if result.status is provider.Status.RUNNING else None

    # ── A video that came with a wrong task id ────────────────────────────────────────────────────────────────

    def _settle_video_in_question(self, result: provider.Result, channel: str, on_success: OnSuccess) -> bool:
        """Confirm, replace or remove a video whose task was corrected; return False if none is in question."""
        if self.state != State.COMPLETED or self.next_poll_at is None or self.purged_at:
            return False
        row = type(self).objects.get(pk=self.pk)  # with its files, which a callback does not load
        settled = row.settle_video(result, channel, on_success)
        self.refresh_from_db()
        return settled

    def settle_video(self, result: provider.Result, channel: str, on_success: OnSuccess) -> bool:
        """Judge the row's video by a result for its own task. All columns of the row must be loaded."""
        if result.status is provider.Status.COMPLETED:
            return self._confirm_video(result) or self._replace_video(result, channel, on_success)
        return self._remove_video(result, channel)

    def _confirm_video(self, result: provider.Result) -> bool:
        """Keep the video if it is the right task's: the provider confused the ids only."""
        same = result.video_url == self.video_url or (result.video_id and result.video_id == self.video_id)
        return bool(same) and self._transition(
            {State.COMPLETED}, event="confirmed", condition=IN_QUESTION, next_poll_at=None, task_id_channel=LOOK_UP
        )

    def _replace_video(self, result: provider.Result, channel: str, on_success: OnSuccess) -> bool:
        def drop_and_save() -> None:
            self._drop_files()
            if on_success:
                on_success()

        return self._transition(
            {State.COMPLETED},
            event="replaced",
            text=f"By {channel}. The earlier video was of another task.",
            trace_id=result.trace_id,
            condition=IN_QUESTION,
            on_success=drop_and_save,
            **NO_VIDEO | video_facts(self, result, channel) | media_facts(result),
        )

    def _remove_video(self, result: provider.Result, channel: str) -> bool:
        """Remove another task's video: the right task is still running or has failed."""
        failed = result.status is provider.Status.FAILED
        facts: dict[str, Any] = {"state": State.PROCESSING, "next_poll_at": timezone.now() + timedelta(seconds=3)}
        if failed:
            facts = {"state": State.FAILED, "finished_at": timezone.now(), "next_poll_at": None}
            facts |= failure_facts(result, channel)
        return self._transition(
            {State.COMPLETED},
            event="failed" if failed else "reopened",
            text="The earlier video was of another task.",
            condition=IN_QUESTION,
            on_success=self._drop_files,
            **NO_VIDEO | facts,
        )

    def _drop_files(self) -> None:
        """Mark the files of a wrong video for deletion, in the transaction that clears their names."""
        OrphanedFile.objects.mark(self.video_file, self.thumbnail_file, self.poster_file)

    # ── Two rows with one task ────────────────────────────────────────────────────────────────────────────────

    def _handle_shared_task(self, result: provider.Result, channel: str) -> Verdict | None:
        """Handle a result for a task that another row has; both rows say so. None: record the result again.

        Raises LookupError if no other row has it.
        """
        others = type(self).objects.filter(token=self.token_id, task_id=result.task_id).exclude(pk=self.pk)
        if not (other := others.first()):
            raise LookupError(f"no other row has task {result.task_id}")
        logger.warning("generation %s: %s brought the task of generation %s", self.uuid, channel, other.uuid)
        if (
            channel == ANSWER
            and other.task_id_channel not in CERTAIN
            and other.forget_task(f"It is the task of {self.uuid}.")
        ):
            return None
        text = f"By {channel}: task {result.task_id}, which generation %s has as well."
        if channel != ANSWER:
            self.events.create(kind="foreign_news", text=text % other.uuid)
            other.events.create(kind="foreign_news", text=text % self.uuid)
            return Verdict.REFUSED
        moved = self._transition(
            {State.SUBMITTING, State.UNCONFIRMED},
            event=SAME_TASK,
            text=text % other.uuid,
            code=SAME_TASK,
            state=State.UNCONFIRMED,
            error_code=SAME_TASK,
            error_message=f"The provider gave it the task of another video, {result.task_id}.",
            # The provider's list may show which task is its own.
            next_poll_at=timezone.now(),
        )
        other.mark_shared_task(text % self.uuid)
        return Verdict.RECORDED if moved else Verdict.KNOWN

    def mark_shared_task(self, text: str) -> None:
        """Record that another row was given the same task; show it on the card unless the row shows an error."""
        shown: dict[str, Any] = {"error_code": SAME_TASK} if self.state in (State.PROCESSING, State.COMPLETED) else {}
        self._transition(EVERY, event=SAME_TASK, text=text, code=SAME_TASK, **shown)

    def forget_task(self, why: str, *, proven: bool = False) -> bool:
        """Forget a task id that only a callback named, with everything that came with it; wait for the true result.

        proven: the provider's own record shows that the task is another row's, so no channel is trusted.
        """
        unsure = Q() if proven else Q(task_id_channel=CALLBACK)
        step: dict[str, Any] = {"event": "foreign_news", "text": why, "task_id": "", "task_id_channel": ""}
        unconfirmed: dict[str, Any] = {
            "state": State.UNCONFIRMED,
            "error_code": "no_answer",
            "error_message": "",
            "next_poll_at": timezone.now(),
        }
        by_callback = Q() if proven else unsure & Q(result_channel=CALLBACK)
        return (
            self._transition(
                {State.PROCESSING, State.UNCONFIRMED}, condition=unsure, accepted_at=None, **step, **unconfirmed
            )
            or self._transition(
                {State.COMPLETED, State.FAILED},
                condition=by_callback & Q(trashed_at__isnull=True),
                on_success=self._drop_files,
                **step,
                **NO_VIDEO,
                **unconfirmed,
            )
            or self._transition(EVERY - {State.COMPLETED}, condition=unsure, next_poll_at=None, **step)
        )
