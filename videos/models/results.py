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

from .. import provider
from .frame import digest
from .state import ASKED_AFTER_THE_END, AT_THE_PROVIDER, EVERY, GRACE, Archive, State, nearest_ratio
from .token import ApiToken

logger = logging.getLogger(__name__)


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
        told = {"task_id": result.task_id} if result.task_id else {}
        try:
            moved = self._take_in(result, via, told, along)
            # The step that did not come about has read the row anew: its task id is the known one.
            if not moved and told and self.task_id not in ("", result.task_id):
                logger.warning("generation %s: %s about another task refused", self.uuid, via)
                self.events.create(kind="foreign_news", text=f"By {via}.")
                return Verdict.REFUSED
            if not moved and told and not self.task_id:
                # A late task id is worth keeping whatever the state: with it the result can be looked up.
                moved = self._learn(told, via)
        except IntegrityError:
            if not type(self).objects.filter(token=self.token_id, task_id=result.task_id).exclude(pk=self.pk).exists():
                raise
            logger.warning("generation %s: %s brought the task of another generation", self.uuid, via)
            return Verdict.REFUSED
        return Verdict.RECORDED if moved else Verdict.KNOWN

    def _learn(self, told: dict, via: str) -> bool:
        """Keep a task id that came late; unless the video is here, it is worth a look."""
        soon = {} if self.state == State.COMPLETED else {"ask_at": timezone.now()}
        return self._advance(EVERY, because="task_known", text=f"By {via}.", **told, **soon)

    def _take_in(self, result: provider.Result, via: str, told: dict, along: Callable[[], None] | None) -> bool:
        if result.status is provider.Status.COMPLETED:
            return self._complete(result, via, told, along)
        if result.status is provider.Status.FAILED:
            return self._fail(
                AT_THE_PROVIDER,
                because="failed",
                via=via,
                error_code=result.error_code or "api_error",
                error_message=result.error_message,
                trace_id=result.trace_id,
                result_state=result.state,
                result_success=result.success,
                **told,
            )
        return self._accept(result, via, told)

    def _accept(self, result: provider.Result, via: str, told: dict) -> bool:
        if not told:
            return False
        now = timezone.now()
        # A callback is the faster messenger; the sweep asks only when it stays away.
        token = self.token
        patience = 8 if token and token.public_url else 3
        accepted = self._advance(
            {State.SUBMITTING, State.UNCONFIRMED},
            because="accepted",
            text=f"By {via}.",
            state=State.PROCESSING,
            accepted_at=now,
            ask_at=now + timedelta(seconds=patience),
            error_code="",
            error_message="",
            **told,
        )
        if accepted:
            token.worked()
        return accepted

    def _complete(self, result: provider.Result, via: str, told: dict, along: Callable[[], None] | None) -> bool:
        now = timezone.now()
        facts = {
            "because": "completed",
            "text": f"By {via}.",
            "trace_id": result.trace_id,
            "state": State.COMPLETED,
            "finished_at": now,
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
            "error_code": "",
            "error_message": "",
            **told,
        }
        moved = self._advance(
            EVERY - {State.COMPLETED},
            only=Q(purged_at__isnull=True),
            along=along,
            video_url=result.video_url,
            thumbnail_url=result.thumbnail_url,
            result_prompt=result.prompt,
            archive=Archive.REMOTE,
            archive_at=now,
            **facts,
        )
        if not moved and self.purged_at:
            # Deleted for good before it came: that it was made is told, but nothing of it is kept.
            moved = self._advance(EVERY - {State.COMPLETED}, only=Q(purged_at__isnull=False), **facts)
        return moved

    @property
    def is_overdue(self) -> bool:
        """Whether the provider's time and our patience are over."""
        patience = timedelta(seconds=2 * self.timeout) + GRACE
        return self.state == State.PROCESSING and self.waiting_since + patience < timezone.now()

    def give_up(self) -> bool:
        """Wait no longer. For a day it is still looked up now and then, since a video that comes late is ours."""
        return self._fail(
            {State.PROCESSING},
            because="failed",
            error_code="overdue",
            error_message="No result came.",
            ask_at=timezone.now() + timedelta(hours=1),
        )

    def asked_in_vain(self) -> None:
        """The task runs on: look again soon while its usual time lasts, then ever less often; not for ever."""
        now = timezone.now()
        age = (now - self.waiting_since).total_seconds()
        wait = 4 if age < 120 else min(10, age / 30) if age < self.timeout else 60
        ask_at = now + timedelta(seconds=wait * random.uniform(0.8, 1.2))
        if self.state == State.FAILED:
            ended = self.finished_at or now
            ask_at = now + timedelta(hours=1) if now - ended < ASKED_AFTER_THE_END else None
        type(self).objects.filter(pk=self.pk, ask_at__isnull=False).update(asked=F("asked") + 1, ask_at=ask_at)

    def ask_soon(self) -> None:
        """Asking did not work (the provider is away, or limits us): try again shortly."""
        type(self).objects.filter(pk=self.pk, ask_at__isnull=False).update(
            ask_at=timezone.now() + timedelta(seconds=random.uniform(3, 6))
        )

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
