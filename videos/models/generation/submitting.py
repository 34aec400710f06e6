"""The sending of a generation: its claim and its request. `refusal` has what an error of the POST does."""

import secrets
import time
from dataclasses import dataclass

from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from ... import provider
from ..event import Event
from ..frame import TemporaryLink, digest
from ..state import ANY, WAITING_AT_MOST, Archive, State, is_due
from ..token import ApiToken


@dataclass(frozen=True, slots=True)
class Claim:
    """One row taken for one POST: the token to send it with and where its result may be called back to."""

    generation: models.Model
    token: ApiToken
    callback_url: str
    # Of a row that is this claim's still. What is written down twice, since nobody knew whether the first time had
    # reached the database, must not undo the claim that another drain has made since.
    ours: Q
    at: float  # by time.monotonic(): how old a claim is must not depend on a clock that somebody sets


class Sending:
    """The steps of a row from the queue to the provider; mixed into Generation."""

    def claim(self, now=None) -> Claim | None:
        """Take this row and a token's slot for one POST; None when another drain won or no token has room.

        Committed before the first byte leaves: from here on the row is never sent a second time by accident. The key
        in the callback URL is fresh for each claim, and only its hash is stored.
        """
        now = now or timezone.now()
        key = secrets.token_urlsafe(32)
        with transaction.atomic(durable=True):
            due = is_due("not_before", now, WAITING_AT_MOST)
            rows = type(self).objects.waiting_to_submit().filter(due, pk=self.pk)
            try:
                # Whoever holds it already is claiming it, so it is not waited for; a star or an event may be added.
                self.refresh_from_db(from_queryset=rows.select_for_update(skip_locked=True, no_key=True))
            except type(self).DoesNotExist:
                return None
            token = self._take_a_token(now)
            if not token and self._is_of_another_provider():
                rows.update(held_at=now, changed_at=now, version=self.version + 1)
                Event.objects.create(generation=self, kind="held")
                return None
            if not token:
                transaction.set_rollback(True)
                return None
            taken = {
                "state": State.SUBMITTING,
                "token": token,
                "version": self.version + 1,
                "changed_at": now,
                "submitted_at": now,
                "uploading": self.has_frames and not token.public_url,
                "attempts": self.attempts + 1,
                "callback_key_hash": digest(key),
                "error_code": "",
                "error_message": "",
                "error_status": None,
                "callback_sent": bool(token.public_url),
                "trace_id": "",
                "claimed_on": timezone.localdate(now),
            }
            rows.update(**taken)
            Event.objects.create(generation=self, kind="claimed")
        for name, value in taken.items():
            setattr(self, name, value)
        path = reverse("callback", args=[self.uuid, key])
        callback_url = f"{token.public_url}{path}" if token.public_url else ""
        return Claim(self, token, callback_url, Q(attempts=self.attempts), time.monotonic())

    def _take_a_token(self, now) -> ApiToken | None:
        candidates = list(ApiToken.objects.with_room(now, self.amount).of(self.asked_of))
        if self.parent_id and self.parent.token_id:
            candidates.sort(key=lambda token: token.pk != self.parent.token_id)
        if self.has_frames:
            # Where no provider takes frames the row is claimed all the same, to say so instead of waiting for ever.
            candidates = [token for token in candidates if token.takes_frames(now)] or candidates
        if self.attempts:
            sent_back_by = set(self.gateway_rejections.values_list("token_id", flat=True))
            candidates.sort(key=lambda token: token.pk in sent_back_by)
        return next((token for token in candidates if token.take_slot(now, self.amount)), None)

    def _is_of_another_provider(self) -> bool:
        """Whether new work goes to others than the one it was asked of: these would charge for it unasked."""
        enabled = ApiToken.objects.filter(enabled=True)
        return bool(self.asked_of) and enabled.exists() and not enabled.of(self.asked_of).exists()

    def request(self, claim: Claim, source: dict[str, str], uploads: dict[int, str] | None = None) -> provider.Request:
        """Build what to send. `source` names the video to extend, `uploads` the links of uploaded frames by their keys.

        Frames that were not uploaded get their temporary addresses now.
        """
        start, end = self.start_image_url, self.end_image_url
        uploads = uploads or {}
        if self.start_frame:
            start = uploads.get(self.start_frame.pk) or TemporaryLink.mint(
                claim.token.public_url, self, frame=self.start_frame
            )
        if self.end_frame:
            end = uploads.get(self.end_frame.pk) or TemporaryLink.mint(
                claim.token.public_url, self, frame=self.end_frame
            )
        return provider.Request(
            action=self.action,
            prompt=self.prompt,
            aspect_ratio=self.aspect_ratio,
            start_image_url=start,
            end_image_url=end,
            enhancement=self.enhancement,
            loop=self.loop,
            timeout=self.timeout,
            callback_url=claim.callback_url,
            asynchronous=not claim.callback_url,
            **source,
        )

    def sources(self, token: ApiToken) -> list[tuple[int, str, str]]:
        """The ways to name the video to extend to this token's provider: (number, "id" | "link" | "copy", value).

        Best first. A way has the same number with every token, so that one which a provider refused is known by it.

        What the member named comes first. An id means something only to the account that made the video, a link may
        have expired, and our copy needs an address the provider can reach.
        """
        parent = self.parent
        own_account = parent is None or parent.token_id in (None, token.pk)
        has_copy = parent and parent.archive == Archive.SAVED and token.public_url
        ways = [
            ("id", self.source_video_id if own_account else ""),
            ("link", self.source_video_url),
            ("id", parent.video_id if parent and own_account else ""),
            ("link", parent.video_url if parent else ""),
            ("copy", str(parent.uuid) if has_copy else ""),
        ]
        return [
            (number, kind, value)
            for number, (kind, value) in enumerate(ways)
            if value and (kind, value) not in ways[:number] and number >= self.source_step
        ]

    def next_source(self, step: int, error: provider.ProviderError, only: Q = ANY) -> bool:
        """The provider refused a way of naming the source: back in line, to try from way number `step` on."""
        return self._advance(
            {State.SUBMITTING},
            because="returned",
            only=only,
            along=lambda: self.token.answered_clearly(accepted=False),
            text=f"Trying another way to name the clip, since the provider said: {error}",
            code=error.code,
            state=State.QUEUED,
            source_step=step,
            not_before=timezone.now(),
        )

    def interrupted(self) -> bool:
        """The worker that had claimed it is gone: what it sent, if anything, nobody knows."""
        return self._advance(
            {State.SUBMITTING},
            because="unanswered",
            code="interrupted",
            text="The worker stopped while it was sending.",
            state=State.UNCONFIRMED,
            error_code="interrupted",
            error_message="The worker stopped while it was sending.",
            ask_at=timezone.now(),
        )
