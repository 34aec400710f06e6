"""The results of a generation: what an answer, a callback or a look-up does to its row."""

import logging
import random
import secrets
from collections.abc import Callable
from datetime import timedelta
from enum import Enum, auto

from django.db import IntegrityError
from django.db.models import F, Q
from django.utils import timezone

from ... import provider
from ..frame import digest
from ..state import (
    ASKED_AFTER_THE_END,
    AT_THE_PROVIDER,
    EVERY,
    GRACE,
    LOOKED_UP_AT_LEAST,
    Archive,
    State,
    nearest_ratio,
)
from ..token import ApiToken

logger = logging.getLogger(__name__)

# The error code of a row whose task id the provider gave to another row as well.
SAME_TASK = "same_task"


class Verdict(Enum):
    """What `record` did with a piece of news."""

    RECORDED = auto()
    KNOWN = auto()
    REFUSED = auto()


class Results:
    """The steps of a row from its POST to its end, and the look-ups between them; mixed into Generation."""

    def record(self, result: provider.Result, via: str, along: Callable[[], None] | None = None) -> Verdict:
        """Take in what a messenger brings ("answer", "callback" or "sweep"): the only door for news.

        `along` is called in the transaction in which a video comes to be ours to save.

        News with an artifact completes the row from any state but `completed`; a late task id is always kept; other
        news on a finished row changes nothing. News about another task than the known one is refused.
        """
        told = {"task_id": result.task_id, "task_via": via} if result.task_id else {}
        try:
            moved = self._take_in(result, via, told, along)
            if via == "answer" and not (moved and self.state == State.PROCESSING) and self.token:
                # Faster news had the row already, or this brought its end: the answer is clear all the same.
                self.token.answered_clearly(accepted=True)
            # The step that did not come about has read the row anew: its task id is the known one.
            if not moved and told and self.task_id not in ("", result.task_id):
                return self._hear_of_another_task(result, via, along)
            if not moved and told and not self.task_id:
                # A late task id is worth keeping whatever the state: with it the result can be looked up.
                moved = self._learn(told, via)
        except IntegrityError as error:
            try:
                return self._hear_of_a_taken_task(result, via, along)
            except LookupError:
                raise error from None
        if told:
            self._trust(via)
        if not moved and told:
            moved = self._judge_video(result, via, along) or self._confirm_failure(result, via)
        return Verdict.RECORDED if moved else Verdict.KNOWN

    def _learn(self, told: dict, via: str) -> bool:
        """Keep a task id that came late; unless the video is here, it is worth a look."""
        soon = {} if self.state == State.COMPLETED else {"ask_at": timezone.now()}
        return self._advance(EVERY, because="task_known", text=f"By {via}.", **told, **soon)

    def _take_in(self, result: provider.Result, via: str, told: dict, along: Callable[[], None] | None) -> bool:
        if result.status is provider.Status.COMPLETED:
            return self._complete(result, via, told, along)
        if result.status is provider.Status.FAILED:
            facts = self._failure_facts(result, via) | self._check_failure(told, via)
            return self._fail(AT_THE_PROVIDER, because="failed", trace_id=result.trace_id, **facts, **told)
        return self._accept(result, via, told)

    @staticmethod
    def _failure_facts(result: provider.Result, via: str) -> dict:
        return {
            "via": via,
            "error_code": result.error_code or "task_failed",
            "error_message": result.error_message,
            "result_state": result.state,
            "result_success": result.success,
        }

    def _check_failure(self, told: dict, via: str) -> dict:
        """Have a failure looked up that only a callback reports, about a task that only callbacks have named."""
        unsure = via == "callback" and told and self.task_via in ("", "callback")
        return {"ask_at": timezone.now()} if unsure else {}

    def _confirm_failure(self, result: provider.Result, via: str) -> bool:
        """A look-up says that a failed row's task has failed: there is nothing left to look up."""
        if via == "sweep" and result.status is provider.Status.FAILED:
            type(self).objects.filter(pk=self.pk, state=State.FAILED, ask_at__isnull=False).update(ask_at=None)
        return False

    def _accept(self, result: provider.Result, via: str, told: dict) -> bool:
        if not told:
            return False
        now = timezone.now()
        # A callback is the faster messenger; the sweep asks only when it stays away.
        token = self.token
        patience = 8 if token and token.public_url else 3
        from_states = {State.SUBMITTING, State.UNCONFIRMED}
        if self.token_id:
            # Sent back in line by mistake: its task exists, so it is not sent again.
            from_states.add(State.QUEUED)
        return self._advance(
            from_states,
            because="accepted",
            text=f"By {via}.",
            state=State.PROCESSING,
            accepted_at=now,
            ask_at=now + timedelta(seconds=patience),
            error_code="",
            error_message="",
            along=(lambda: token.answered_clearly(accepted=True)) if via == "answer" else None,
            **told,
        )

    def _complete(self, result: provider.Result, via: str, told: dict, along: Callable[[], None] | None) -> bool:
        facts = {
            "because": "completed",
            "text": f"By {via}.",
            "trace_id": result.trace_id,
            **self._video_facts(result, via),
            **told,
        }
        moved = self._advance(
            EVERY - {State.COMPLETED},
            only=Q(purged_at__isnull=True),
            along=along,
            **facts,
            **self._media_facts(result),
        )
        if not moved and self.purged_at:
            # Deleted for good before it came: that it was made is told, but nothing of it is kept.
            moved = self._advance(EVERY - {State.COMPLETED}, only=Q(purged_at__isnull=False), **facts)
        return moved

    def _video_facts(self, result: provider.Result, via: str) -> dict:
        """What a row keeps of a finished video, also where the video itself was deleted before it came."""
        return {
            "state": State.COMPLETED,
            "finished_at": timezone.now(),
            "via": via,
            "ask_at": None,
            "video_id": result.video_id,
            "video_width": result.video_width,
            "video_height": result.video_height,
            "thumbnail_width": result.thumbnail_width,
            "thumbnail_height": result.thumbnail_height,
            "shape": nearest_ratio(result.video_width, result.video_height) or self.shape,
            "result_state": result.state,
            "result_success": result.success,
            # That its task id is another row's too stays to be told.
            "error_code": SAME_TASK if self.error_code == SAME_TASK else "",
            "error_message": "",
        }

    @staticmethod
    def _media_facts(result: provider.Result) -> dict:
        return {
            "video_url": result.video_url,
            "thumbnail_url": result.thumbnail_url,
            "result_prompt": result.prompt,
            "archive": Archive.REMOTE,
            "archive_at": timezone.now(),
        }

    @property
    def is_past_patience(self) -> bool:
        """Whether, by the clock, the provider's time and our patience are over."""
        patience = timedelta(seconds=2 * self.timeout) + GRACE
        return self.state == State.PROCESSING and self.waiting_since + patience < timezone.now()

    @property
    def is_overdue(self) -> bool:
        """Whether so many look-ups have found it running, too: a clock that jumps ends no patience."""
        return self.asked >= LOOKED_UP_AT_LEAST and self.is_past_patience

    def give_up(self) -> bool:
        """Wait no longer. For a day it is still looked up now and then, since a video that comes late is ours."""
        return self._fail(
            {State.PROCESSING},
            because="failed",
            error_code="overdue",
            error_message="No result came.",
            ask_at=timezone.now() + timedelta(hours=1),
        )

    def schedule_next_poll(self) -> None:
        """The task runs on: look again soon while its usual time lasts, then ever less often; not for ever."""
        now = timezone.now()
        age = (now - self.waiting_since).total_seconds()
        wait = 4 if age < 120 else min(10, age / 30) if age < self.timeout else 60
        ask_at = now + timedelta(seconds=wait * random.uniform(0.8, 1.2))
        if self.state in (State.FAILED, State.COMPLETED):
            ended = self.finished_at or now
            ask_at = now + timedelta(hours=1) if now - ended < ASKED_AFTER_THE_END else None
        type(self).objects.filter(pk=self.pk, ask_at__isnull=False).update(asked=F("asked") + 1, ask_at=ask_at)

    def adopted(self, member, token: ApiToken, along: Callable[[], None] | None = None) -> bool:
        """An admin found the provider's task of this row: it was sent, is never sent again, and waits for news."""
        return self._advance(
            {State.QUEUED, State.UNCONFIRMED, State.FAILED, State.CANCELED},
            because="adopted",
            by=member,
            only=Q(task_id=""),
            along=along,
            state=State.UNCONFIRMED,
            token=token,
            claimed_on=None,
            held_at=None,
            finished_at=None,
            # Whoever looks for a video does not want it in the trash.
            trashed_at=None,
            trashed_by=None,
            ask_at=timezone.now(),
        )

    def opens_with(self, key: str) -> bool:
        """Whether this is the key of the callback URL that the last claim sent out."""
        return bool(self.callback_key_hash) and secrets.compare_digest(self.callback_key_hash, digest(key))
