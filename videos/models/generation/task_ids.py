"""Which task is a row's: the id that the most trusted messenger named, whatever came first.

An answer came over TLS and belongs to our own request; a look-up shows that the task exists; a callback is anybody's
who has its address. `task_via` names the messenger of the known id.
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone

from ... import provider
from .. import policy
from ..orphaned_file import OrphanedFile
from ..state import AT_THE_PROVIDER, EVERY, Archive, State
from .results import SAME_TASK, Verdict

logger = logging.getLogger(__name__)

ANSWER, LOOK_UP, CALLBACK = "answer", "sweep", "callback"
TRUST = {"": 0, CALLBACK: 1, LOOK_UP: 2, ANSWER: 3}
CERTAIN = (ANSWER, LOOK_UP, "")  # rows of an earlier version do not say, and most ids came with the answer

# A finished row is looked up for this only.
IN_QUESTION = Q(ask_at__isnull=False)

# What is taken off a row whose video was another task's.
NO_VIDEO = {
    **dict.fromkeys(("via", "video_id", "video_url", "thumbnail_url", "result_prompt", "result_state"), ""),
    **dict.fromkeys(("video_file", "thumbnail_file", "poster_file", "sha256"), ""),
    **dict.fromkeys(("video_width", "video_height", "thumbnail_width", "thumbnail_height"), None),
    **dict.fromkeys(("size_bytes", "duration", "frame_rate", "result_success", "finished_at", "archive_at"), None),
    **dict.fromkeys(("archive_worker", "archive_error", "archive_message"), ""),
    "archive": Archive.NONE,
    "archive_attempts": 0,
    "archive_deaths": 0,
}


class TaskIds:
    """The steps of a `Generation` that concern whose task it is."""

    def _trust(self, via: str) -> None:
        """Remember that a better messenger named the known task, too."""
        if TRUST[via] > TRUST.get(self.task_via, 0):
            type(self).objects.filter(pk=self.pk, task_id=self.task_id).update(task_via=via)
            self.task_via = via

    def _hear_of_another_task(self, result: provider.Result, via: str, along: Callable[[], None] | None) -> Verdict:
        """Take in news about another task than the known one: only an answer's task is ours."""
        if via == ANSWER and self.task_via != ANSWER:
            return self._correct_task(result, along)
        logger.warning("generation %s: %s about another task refused: %s", self.uuid, via, result.task_id)
        self.events.create(kind="foreign_news", text=f"By {via}: task {result.task_id}.")
        return Verdict.REFUSED

    def _correct_task(self, result: provider.Result, along: Callable[[], None] | None) -> Verdict:
        """Keep the answer's task instead of the known one, and look it up.

        A video that came with the wrong id stays until the look-up shows whose it is: the provider may have confused
        the ids only. A failure that came with it is taken back.
        """
        now, wrong = timezone.now(), self.task_id
        logger.warning("generation %s: the answer names task %s instead of %s", self.uuid, result.task_id, wrong)
        step = {
            "because": "task_corrected",
            "text": f"The answer names task {result.task_id}. The earlier news was about {wrong}.",
            "instead_of": wrong,
            "task_id": result.task_id,
            "task_via": ANSWER,
        }
        open_again = {"state": State.PROCESSING, "accepted_at": now, "error_code": "", "error_message": ""}
        there = Q(purged_at__isnull=True)
        corrected = (
            self._advance({State.COMPLETED}, only=there, ask_at=now, **step)
            or self._advance(AT_THE_PROVIDER, ask_at=now, **step, **open_again)
            or self._advance(
                {State.FAILED},
                only=Q(via__in=[CALLBACK, LOOK_UP], trashed_at__isnull=True),
                ask_at=now,
                via="",
                finished_at=None,
                **step,
                **open_again,
            )
            or self._advance(EVERY - {State.COMPLETED}, ask_at=now, **step)
            or self._advance(EVERY, **step)
        )
        if corrected and result.status is provider.Status.RUNNING:
            return Verdict.RECORDED
        return self.record(result, ANSWER, along) if corrected else Verdict.KNOWN

    def _judge_video(self, result: provider.Result, via: str, along: Callable[[], None] | None) -> bool:
        """Judge the video of a wrong task, by news of the right one; False where nothing is in question."""
        if self.state != State.COMPLETED or self.ask_at is None or self.purged_at:
            return False
        row = type(self).objects.get(pk=self.pk)  # with its files, which a callback does not load
        if result.status is provider.Status.COMPLETED:
            judged = row._confirm_video(result) or row._replace_video(result, via, along)
        else:
            judged = row._take_video_back(result, via)
        self.refresh_from_db()
        return judged

    def _confirm_video(self, result: provider.Result) -> bool:
        """The ids were confused, and the video is the right one."""
        same = result.video_url == self.video_url or (result.video_id and result.video_id == self.video_id)
        return bool(same) and self._advance(
            {State.COMPLETED}, because="confirmed", only=IN_QUESTION, ask_at=None, task_via=LOOK_UP
        )

    def _replace_video(self, result: provider.Result, via: str, along: Callable[[], None] | None) -> bool:
        def drop_and_save() -> None:
            self._drop_files()
            if along:
                along()

        return self._advance(
            {State.COMPLETED},
            because="replaced",
            text=f"By {via}. The earlier video was of another task.",
            trace_id=result.trace_id,
            only=IN_QUESTION,
            along=drop_and_save,
            **NO_VIDEO | self._video_facts(result, via) | self._media_facts(result),
        )

    def _take_video_back(self, result: provider.Result, via: str) -> bool:
        """The right task still runs, or has failed: what was shown is not its video."""
        failed = result.status is provider.Status.FAILED
        facts = {"state": State.PROCESSING, "ask_at": timezone.now() + timedelta(seconds=3)}
        if failed:
            facts = {"state": State.FAILED, "finished_at": timezone.now(), "ask_at": None}
            facts |= self._failure_facts(result, via)
        return self._advance(
            {State.COMPLETED},
            because="failed" if failed else "reopened",
            text="The earlier video was of another task.",
            only=IN_QUESTION,
            along=self._drop_files,
            **NO_VIDEO | facts,
        )

    def _drop_files(self) -> None:
        """Note the files of a wrong video as no longer needed; goes along with the step that takes them off the row."""
        OrphanedFile.objects.mark(self.video_file, self.thumbnail_file, self.poster_file)

    def refuse_with_task(self, error: provider.ProviderError, only: Q) -> bool:
        """Follow the rule for an error that names a task all the same: it is kept and looked up, and not sent again."""
        named = provider.Result(task_id=error.task_id)
        try:
            kept = self._advance(
                AT_THE_PROVIDER,
                because="task_known",
                text="By an error.",
                only=only,
                task_id=named.task_id,
                task_via=ANSWER,
            )
            if not kept and self.task_id not in ("", named.task_id):
                self._hear_of_another_task(named, ANSWER, None)
        except IntegrityError:
            self._hear_of_a_taken_task(named, ANSWER, None)
        if policy.rule_for(error).becomes == policy.QUEUED:
            error = error.in_doubt()
        refused = self.refuse(error, only)
        type(self).objects.filter(pk=self.pk).poll_now()
        return refused

    # ── Two rows, one task ────────────────────────────────────────────────────────────────────────────────────

    def _hear_of_a_taken_task(self, result: provider.Result, via: str, along: Callable[[], None] | None) -> Verdict:
        """Take in news about a task that another row has; both rows say so."""
        others = type(self).objects.filter(token=self.token_id, task_id=result.task_id).exclude(pk=self.pk)
        if not (other := others.first()):
            raise LookupError(f"no other row has task {result.task_id}")
        logger.warning("generation %s: %s brought the task of generation %s", self.uuid, via, other.uuid)
        if via == ANSWER and other.task_via not in CERTAIN and other.forget_task(f"It is the task of {self.uuid}."):
            return self.record(result, via, along)
        text = f"By {via}: task {result.task_id}, which generation %s has as well."
        if via != ANSWER:
            self.events.create(kind="foreign_news", text=text % other.uuid)
            other.events.create(kind="foreign_news", text=text % self.uuid)
            return Verdict.REFUSED
        moved = self._advance(
            {State.SUBMITTING, State.UNCONFIRMED},
            because=SAME_TASK,
            text=text % other.uuid,
            code=SAME_TASK,
            state=State.UNCONFIRMED,
            error_code=SAME_TASK,
            error_message=f"The provider gave it the task of another video, {result.task_id}.",
            # The provider's listing may show which one is its own.
            ask_at=timezone.now(),
        )
        words: dict = {"error_code": SAME_TASK} if other.state in (State.PROCESSING, State.COMPLETED) else {}
        other._advance(EVERY, because=SAME_TASK, text=text % self.uuid, code=SAME_TASK, **words)
        return Verdict.RECORDED if moved else Verdict.KNOWN

    def forget_task(self, why: str, *, proven: bool = False) -> bool:
        """Forget a task id that only a callback named, with all that came with it; the true news may still come.

        proven: the provider's own record of the task shows that it is another row's, so no messenger's word counts.
        """
        unsure = Q() if proven else Q(task_via=CALLBACK)
        step = {"because": "foreign_news", "text": why, "only": unsure, "task_id": "", "task_via": ""}
        doubt = {"state": State.UNCONFIRMED, "error_code": "no_answer", "error_message": "", "ask_at": timezone.now()}
        by_callback = Q() if proven else unsure & Q(via=CALLBACK)
        return (
            self._advance({State.PROCESSING, State.UNCONFIRMED}, accepted_at=None, **step, **doubt)
            or self._advance(
                {State.COMPLETED, State.FAILED},
                along=self._drop_files,
                **step | {"only": by_callback & Q(trashed_at__isnull=True)},
                **NO_VIDEO,
                **doubt,
            )
            or self._advance(EVERY - {State.COMPLETED}, ask_at=None, **step)
        )
