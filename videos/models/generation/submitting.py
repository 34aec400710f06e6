"""Claiming a queued row and building its request. `post_errors` handles the errors of the POST."""

import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Self, TypeVar

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from ... import provider
from ...media.download import check_public_host
from ..event import Event
from ..frame import Frame, TemporaryLink
from ..secret_keys import hash_key, new_key
from ..state import ANY, WAITING_AT_MOST, Archive, HoldReason, State, is_due
from ..token import ApiToken
from .fields import GenerationFields
from .queryset import is_waiting
from .uploading import Uploading

ClaimedRow = TypeVar("ClaimedRow", bound=GenerationFields)


@dataclass(frozen=True, slots=True)
class Claim(Generic[ClaimedRow]):
    """One row taken for one POST, with the token to send it with and the URL for its callback.

    owned: matches the row only while this claim owns it; a write that is repeated after a database error must not undo
    a newer claim. at: by `time.monotonic()`, so that a changed clock does not change the claim's age.
    """

    generation: ClaimedRow
    token: ApiToken
    callback_url: str
    owned: Q
    at: float


class Submitting(Uploading):
    class Meta:
        abstract = True

    def claim(self, now: datetime | None = None) -> Claim[Self] | None:
        """Take this row and one of a token's slots for one POST; None if another worker won or no token has room.

        The claim is committed before the first byte leaves, so that a row is never sent twice by accident. Each claim
        has a new key in its callback URL, of which only the hash is stored.
        """
        now = now or timezone.now()
        key = new_key()
        with transaction.atomic(durable=True):
            ready = is_waiting() & is_due("not_before", now, WAITING_AT_MOST)
            try:
                self._reload_and_lock(ready, skip_locked=True)  # skips a row that another worker is claiming
            except type(self).DoesNotExist:
                return None
            rows = type(self).objects.filter(ready, pk=self.pk)
            token = self._take_token(now)
            if not token and self._is_of_another_provider():
                held = {"held_at": now, "hold_reason": HoldReason.PROVIDER}
                rows.update(**held, changed_at=now, version=self.version + 1)
                Event.objects.create(generation_id=self.pk, kind="held")
                return None
            if not token:
                transaction.set_rollback(True)
                return None
            values = {
                "state": State.SUBMITTING,
                "token": token,
                "version": self.version + 1,
                "changed_at": now,
                "submitted_at": now,
                "uploading": self.has_frames and not token.public_url,
                "attempts": self.attempts + 1,
                "callback_key_hash": hash_key(key),
                "error_code": "",
                "error_message": "",
                "error_status": None,
                "callback_sent": bool(token.public_url),
                "trace_id": "",
                "claimed_on": timezone.localdate(now),
            }
            rows.update(**values)
            Event.objects.create(generation_id=self.pk, kind="claimed")
        for name, value in values.items():
            setattr(self, name, value)
        path = reverse("callback", args=[self.uuid, key])
        callback_url = f"{token.public_url}{path}" if token.public_url else ""
        return Claim(self, token, callback_url, Q(attempts=self.attempts), time.monotonic())

    def _take_token(self, now: datetime) -> ApiToken | None:
        """Take a slot of the best token; prefer the parent's account, and tokens no gateway rejected this row with."""
        candidates = list(ApiToken.objects.with_room(now, self.amount).of_provider(self.provider_base_url))
        if self.parent and self.parent.token_id:
            parents_token = self.parent.token_id
            candidates.sort(key=lambda token: token.pk != parents_token)
        if self.has_frames:
            # If no provider takes frames, claim the row all the same, so that it fails instead of waiting forever.
            candidates = [token for token in candidates if token.takes_frames(now)] or candidates
        if self.attempts:
            rejected_with = set(self.gateway_rejections.values_list("token_id", flat=True))
            candidates.sort(key=lambda token: token.pk in rejected_with)
        return next((token for token in candidates if token.take_slot(now, self.amount)), None)

    def _is_of_another_provider(self) -> bool:
        """Whether every enabled token is of another provider than the one this was requested of, and may charge for."""
        enabled = ApiToken.objects.filter(enabled=True)
        return (
            bool(self.provider_base_url)
            and enabled.exists()
            and not enabled.of_provider(self.provider_base_url).exists()
        )

    def request(
        self, claim: Claim[Self], source: dict[str, str], uploads: dict[int, str] | None = None
    ) -> provider.Request:
        """Build the provider's request. source: the video to extend. uploads: links of uploaded frames by their keys.

        Frames that were not uploaded get their temporary URLs now.
        """
        uploads = uploads or {}

        def link(frame: Frame | None, url: str) -> str:
            if frame is None:
                return url
            return uploads.get(frame.pk) or TemporaryLink.create_for(claim.token.public_url, self, frame=frame)

        request = self.base_request(
            link(self.start_frame, self.start_image_url), link(self.end_frame, self.end_image_url)
        )
        return replace(
            request,
            callback_url=claim.callback_url,
            asynchronous=not claim.callback_url,
            video_id=source.get("video_id", ""),
            video_url=source.get("video_url", ""),
        )

    def base_request(self, start_image_url: str, end_image_url: str) -> provider.Request:
        """Build the request with these links to the frames, without source and callback."""
        return provider.Request(
            start_image_url=start_image_url,
            end_image_url=end_image_url,
            **{name: getattr(self, name) for name in provider.REQUEST_SETTINGS},
        )

    def sources(self, token: ApiToken) -> list[tuple[int, str, str]]:
        """List the ways to name the video to extend, best first: (number, "id" | "link" | "copy", value).

        A way has the same number for every token, so that one the provider refused is recognized. The member's own
        choice comes first. An id is valid only in the account that made the video, a link may have expired, and our
        copy needs a URL that the provider can reach.
        """
        parent = self.parent
        own_account = parent is None or parent.token_id in (None, token.pk)
        has_copy = parent and parent.archive == Archive.SAVED and token.public_url
        ways = [
            ("id", self.source_video_id if own_account else ""),
            ("link", self.source_video_url),
            ("id", parent.video_id if parent and own_account else ""),
            ("link", parent.video_url if parent and _can_fetch(token, parent.video_url) else ""),
            ("copy", str(parent.uuid) if parent and has_copy else ""),
        ]
        return [
            (number, kind, value)
            for number, (kind, value) in enumerate(ways)
            if value and (kind, value) not in ways[:number] and number >= self.source_step
        ]

    def next_source(self, step: int, error: provider.ProviderError, condition: Q = ANY) -> bool:
        """Return the row to the queue to name its source in way `step` or later, as the provider refused this one."""
        token = self.token

        def record_clear_answer() -> None:
            if token:
                token.record_clear_answer(accepted=False)

        return self._transition(
            {State.SUBMITTING},
            event="returned",
            condition=condition,
            on_success=record_clear_answer,
            text=f"Trying another way to name the source video, since the provider said: {error}",
            code=error.code,
            state=State.QUEUED,
            source_step=step,
            not_before=timezone.now(),
        )

    def mark_interrupted(self) -> bool:
        """Mark the row unconfirmed: its worker stopped, and nobody knows whether the request was sent."""
        return self._transition(
            {State.SUBMITTING},
            event="unanswered",
            code="interrupted",
            text="The worker stopped while it was sending.",
            state=State.UNCONFIRMED,
            error_code="interrupted",
            error_message="The worker stopped while it was sending.",
            next_poll_at=timezone.now(),
        )


def _can_fetch(token: ApiToken, link: str) -> bool:
    """Whether the token's provider may reach a link; one to this machine or network is of no use to a remote one."""
    return token.is_local or not check_public_host(link)
