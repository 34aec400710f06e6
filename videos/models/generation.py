import logging
import random
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from lumaweb.logs import redact

from .. import provider
from . import policy
from .budget import RESERVED, SPENT, Balance, Terms
from .event import Event
from .frame import Frame, TemporaryLink, digest
from .leftover import Leftover
from .news import News
from .rows import GenerationQuerySet, being_extended, is_one_intention
from .saving import Saving
from .state import (
    ANY,
    ASKED_AFTER_THE_END,
    AT_THE_PROVIDER,
    CAN_BE_TRASHED,
    EVERY,
    GRACE,
    IN_THE_TRASH,
    OPEN,
    PURGED,
    QUEUED_AT_MOST,
    REQUEST,
    Archive,
    Choice,
    State,
    nearest_ratio,
)
from .token import ApiToken, Health

logger = logging.getLogger(__name__)


class Verdict(Enum):
    """What `record` did with a piece of news."""

    RECORDED = auto()
    KNOWN = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Claim:
    """One row taken for one POST: the token to send it with and where its result may be called back to."""

    generation: "Generation"
    token: ApiToken
    callback_url: str
    # Of a row that is this claim's still. What is written down twice, since nobody knew whether the first time had
    # reached the database, must not undo the claim that another drain has made since.
    ours: Q


class Generation(Saving, models.Model):
    """One video asked of the provider, from the press of the button to the saved file.

    The integer primary key is the order of creation; `uuid` is what the outside sees. Fields of the result are the
    provider's, widths and heights in pixels. Source: the Luma videos contract.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    submission = models.ForeignKey("videos.Submission", on_delete=models.PROTECT, related_name="generations")
    take = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1), MaxValueValidator(4)])
    takes = models.PositiveSmallIntegerField(default=1, help_text="How many takes its submission has.")
    member = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="generations")
    token = models.ForeignKey(ApiToken, null=True, on_delete=models.PROTECT, related_name="generations")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    depth = models.PositiveIntegerField(default=0, help_text="How many extensions lie behind it.")
    retry_of = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="retries")

    # What was asked for.
    action = models.CharField(max_length=10, default="generate")
    prompt = models.TextField(blank=True)
    aspect_ratio = models.CharField(max_length=10, default="16:9")
    start_image_url = models.CharField(max_length=2000, blank=True)
    end_image_url = models.CharField(max_length=2000, blank=True)
    start_frame = models.ForeignKey("videos.Frame", null=True, on_delete=models.PROTECT, related_name="+")
    end_frame = models.ForeignKey("videos.Frame", null=True, on_delete=models.PROTECT, related_name="+")
    enhancement = models.BooleanField(default=True)
    loop = models.BooleanField(default=False)
    timeout = models.PositiveIntegerField(default=300, help_text="Seconds the provider may take.")
    source_video_id = models.CharField(max_length=200, blank=True)
    source_video_url = models.CharField(max_length=2000, blank=True)
    asked_of = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The provider in charge when it was asked for: no other may charge for it. Empty: any may.",
    )
    source_step = models.PositiveSmallIntegerField(default=0, help_text="How many ways to name the source failed.")

    # Where it stands.
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)
    not_before = models.DateTimeField(default=timezone.now, editable=False)
    held_at = models.DateTimeField(null=True, help_text="Restored as unsent: not sent until an admin releases it.")
    attempts = models.PositiveIntegerField(default=0)
    submitted_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    callback_key_hash = models.CharField(max_length=64, blank=True)
    ask_at = models.DateTimeField(null=True, help_text="When to look the task up, if no news came before.")
    asked = models.PositiveIntegerField(default=0)
    via = models.CharField(max_length=10, blank=True, help_text="Which messenger brought the end.")

    # What the provider reported.
    task_id = models.CharField(max_length=200, blank=True)
    video_id = models.CharField(max_length=200, blank=True)
    video_url = models.CharField(max_length=4000, blank=True)
    video_width = models.PositiveIntegerField(null=True)
    video_height = models.PositiveIntegerField(null=True)
    thumbnail_url = models.CharField(max_length=4000, blank=True)
    thumbnail_width = models.PositiveIntegerField(null=True)
    thumbnail_height = models.PositiveIntegerField(null=True)
    result_prompt = models.TextField(blank=True)
    result_state = models.CharField(max_length=100, blank=True)
    result_success = models.BooleanField(null=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)
    trace_id = models.CharField(max_length=200, blank=True)

    # The copy we keep.
    archive = models.CharField(max_length=8, choices=Archive, default=Archive.NONE, blank=True)
    archive_at = models.DateTimeField(null=True, help_text="When to try (again) to save it.")
    archive_attempts = models.PositiveIntegerField(default=0, help_text="Begun since it was last saved, or given up.")
    archive_worker = models.CharField(
        max_length=100, blank=True, default="", db_default="", editable=False, help_text="Which worker saves it now."
    )
    archive_deaths = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text="How many workers died while they saved it."
    )
    archive_error = models.CharField(
        max_length=40, blank=True, default="", db_default="", help_text="What the last attempt to save it ended with."
    )
    archive_message = models.CharField(max_length=500, blank=True, default="", db_default="")
    video_file = models.FileField(upload_to="videos/", blank=True, max_length=200)
    thumbnail_file = models.FileField(upload_to="videos/", blank=True, max_length=200)
    poster_file = models.FileField(upload_to="videos/", blank=True, max_length=200)
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(null=True)
    duration = models.FloatField(null=True, help_text="Seconds.")
    frame_rate = models.FloatField(null=True, help_text="Pictures a second.")

    # How the team finds it again.
    shape = models.CharField(max_length=10, default="16:9", help_text="The aspect ratio it has, or will have.")
    search_text = models.TextField(blank=True, help_text="The prompt, folded for search.")
    choice = models.CharField(max_length=8, choices=Choice, default=Choice.NONE, blank=True)

    # What it costs, in thousandths of a credit, as it was when it was asked for. Its state says where the amount
    # stands: set aside, spent or given back.
    amount = models.PositiveBigIntegerField(default=0)
    month = models.DateField(null=True, help_text="The month whose budget it belongs to, by its first day.")
    claimed_on = models.DateField(null=True, help_text="The day of its token's limit that it counts for.")
    fingerprint = models.CharField(max_length=64, blank=True, help_text="The same for the same request.")

    trashed_at = models.DateTimeField(null=True)
    trashed_by = models.ForeignKey("videos.Member", null=True, on_delete=models.PROTECT, related_name="+")
    purged_at = models.DateTimeField(null=True)

    objects = GenerationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["submission", "take"], name="one_generation_for_a_take"),
            models.CheckConstraint(condition=Q(state__in=list(State)), name="generation_state_is_known"),
            # Two rows with one task would be one video counted twice.
            models.UniqueConstraint(
                fields=["token", "task_id"], condition=~Q(task_id=""), name="one_generation_for_a_task"
            ),
        ]
        indexes = [
            models.Index(fields=["changed_at"], name="generation_changed"),
            models.Index(fields=["created_at"], name="generation_created"),
            models.Index(
                fields=["state", "not_before"],
                condition=Q(state__in=["queued", "submitting", "processing", "unconfirmed"]),
                name="generation_open",
            ),
            models.Index(fields=["ask_at"], condition=Q(ask_at__isnull=False), name="generation_ask"),
            models.Index(fields=["archive_at"], condition=Q(archive="remote"), name="generation_unsaved"),
            models.Index(fields=["member", "-id"], name="generation_of_member"),
            models.Index(fields=["video_id"], condition=~Q(video_id=""), name="generation_video_id"),
            models.Index(fields=["fingerprint"], condition=~Q(fingerprint=""), name="generation_fingerprint"),
            models.Index(fields=["-id"], condition=Q(trashed_at__isnull=True), name="generation_gallery"),
            models.Index(
                fields=["trashed_at"],
                condition=Q(trashed_at__isnull=False, purged_at__isnull=True),
                name="generation_trash",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_state_display()}: {self.prompt[:60]}"

    def get_absolute_url(self) -> str:
        return reverse("generation", args=[self.uuid])

    # ── What may happen to it ─────────────────────────────────────────────────────────────────────────────────

    def claim(self, now=None) -> Claim | None:
        """Take this row and a token's slot for one POST; None when another drain won or no token has room.

        Committed before the first byte leaves: from here on the row is never sent a second time by accident. The key
        in the callback URL is fresh for each claim, and only its hash is stored.
        """
        now = now or timezone.now()
        key = secrets.token_urlsafe(32)
        with transaction.atomic(durable=True):
            rows = type(self).objects.waiting_for_a_turn().filter(pk=self.pk, not_before__lte=now)
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
                "attempts": self.attempts + 1,
                "callback_key_hash": digest(key),
                "error_code": "",
                "error_message": "",
                "trace_id": "",
                "claimed_on": timezone.localdate(now),
            }
            rows.update(**taken)
            Event.objects.create(generation=self, kind="claimed")
        for name, value in taken.items():
            setattr(self, name, value)
        path = reverse("callback", args=[self.uuid, key])
        return Claim(self, token, f"{token.public_url}{path}" if token.public_url else "", Q(attempts=self.attempts))

    def _take_a_token(self, now) -> ApiToken | None:
        candidates = list(ApiToken.objects.with_room(now, self.amount).of(self.asked_of))
        if self.parent_id and self.parent.token_id:
            candidates.sort(key=lambda token: token.pk != self.parent.token_id)
        if self.needs_public_address:
            # Without any address the row is claimed all the same, to say so at once instead of waiting for ever.
            candidates = [token for token in candidates if token.public_url] or candidates
        return next((token for token in candidates if token.take_slot(now, self.amount)), None)

    def _is_of_another_provider(self) -> bool:
        """Whether new work goes to others than the one it was asked of: these would charge for it unasked."""
        enabled = ApiToken.objects.filter(enabled=True)
        return bool(self.asked_of) and enabled.exists() and not enabled.of(self.asked_of).exists()

    @property
    def needs_public_address(self) -> bool:
        return bool(self.start_frame_id or self.end_frame_id)

    def request(self, claim: Claim, source: dict[str, str]) -> provider.Request:
        """What to send: frames get their temporary addresses now. `source` names the video to extend."""
        start, end = self.start_image_url, self.end_image_url
        if self.start_frame_id:
            start = TemporaryLink.mint(claim.token.public_url, self, frame=self.start_frame)
        if self.end_frame_id:
            end = TemporaryLink.mint(claim.token.public_url, self, frame=self.end_frame)
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
            text=f"Trying another way to name the clip, since the provider said: {error}",
            code=error.code,
            state=State.QUEUED,
            source_step=step,
            not_before=timezone.now(),
        )

    def refuse(self, error: provider.ProviderError, only: Q = ANY) -> bool:
        """The POST ended with an error: do what the policy's table says, to the token and (`only` such) to the row."""
        now = timezone.now()
        rule = policy.rule_for(error)
        because = f"{rule.admin} ({error.code}: {error.message})".lstrip()
        changes = {"error_code": error.code[:100], "error_message": error.message}
        trace = {"trace_id": error.trace_id}
        if rule.becomes == policy.QUEUED:
            wait = error.retry_after or min(60, 2 ** min(self.attempts, 6)) * random.uniform(0.5, 1)
            if self.token and rule.token == "rest":
                self.token.rest(wait, because)
            elif self.token and rule.token:
                self.token.take_out(Health(rule.token), because)
            if self.events.filter(kind="claimed", at__lt=now - QUEUED_AT_MOST).exists():
                changes |= {"error_code": "too_late"}
                return self._fail(
                    {State.SUBMITTING, State.UNCONFIRMED}, because="refused", only=only, **changes, **trace
                )
            # The token rests, not the row: another token may have room for it at once.
            return self._advance(
                {State.SUBMITTING},
                because="returned",
                only=only,
                text=error.message,
                code=error.code,
                **trace,
                state=State.QUEUED,
                not_before=now,
                **changes,
                # The sweep had doubted it meanwhile, and its member may have tried again: it is not sent once more.
            ) or self._fail({State.UNCONFIRMED}, because="refused", only=only, **changes, **trace)
        if rule.becomes == policy.UNCONFIRMED:
            return self._advance(
                {State.SUBMITTING},
                because="unanswered",
                only=only,
                text=error.message,
                code=error.code,
                **trace,
                state=State.UNCONFIRMED,
                ask_at=now,
                **changes,
            )
        return self._fail({State.SUBMITTING, State.UNCONFIRMED}, because="refused", only=only, **changes, **trace)

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

    def _fail(self, leaving, *, because: str, **changes) -> bool:
        return self._advance(
            leaving,
            because=because,
            text=changes.get("error_message", ""),
            code=changes.get("error_code", ""),
            **({"state": State.FAILED, "finished_at": timezone.now(), "ask_at": None} | changes),
        )

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

    def cancel(self, member) -> bool:
        """Take back what has not been sent; False once the claim has won."""
        return self._advance(
            {State.QUEUED}, because="canceled", by=member, state=State.CANCELED, finished_at=timezone.now()
        )

    def release(self, member) -> bool:
        """Let a restored row be sent after all: an admin knows it was not, or accepts that it may be paid twice."""
        return self._advance(
            {State.QUEUED},
            because="released",
            by=member,
            only=Q(held_at__isnull=False, task_id=""),
            held_at=None,
            asked_of="",
            not_before=timezone.now(),
        )

    def adopted(self, member, token: ApiToken) -> bool:
        """An admin found the provider's task of this row: it was sent, is never sent again, and waits for news."""
        return self._advance(
            {State.QUEUED, State.UNCONFIRMED, State.FAILED, State.CANCELED},
            because="adopted",
            by=member,
            only=Q(task_id=""),
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

    def choose(self, choice: Choice, member) -> bool:
        """Pick or reject it for the team, or take that back; False where it is so already."""
        return self._advance(EVERY, because=choice or "unchosen", by=member, only=~Q(choice=choice), choice=choice)

    def dismiss(self, member) -> bool:
        """Stop waiting for news; a video that comes all the same is still ours."""
        return self._fail({State.UNCONFIRMED}, because="dismissed", by=member, error_code="dismissed")

    def trash(self, member) -> bool:
        """Move it to the trash; False where it is at the provider, or in the trash already.

        What waits is canceled by that. News of it is still taken in, and a video that comes is saved.
        """
        if self.state == State.QUEUED:
            self.cancel(member)
        return self._advance(
            CAN_BE_TRASHED,
            because="trashed",
            by=member,
            only=Q(trashed_at__isnull=True),
            trashed_at=timezone.now(),
            trashed_by=member,
        )

    def restore(self, member) -> bool:
        """Take it out of the trash as it was; False where it is not there (any more)."""
        return self._advance(
            EVERY,
            because="restored",
            by=member,
            only=Q(trashed_at__isnull=False, purged_at__isnull=True),
            trashed_at=None,
            trashed_by=None,
        )

    def purge(self, member=None) -> bool:
        """Delete for good what is in the trash: media, words, links and frames. The row stays, for sums and lineage.

        False where it is not in the trash, or is still needed: an extension of it is being made. The files are only
        marked here, in the same transaction; `Leftover.remove` takes them away after it.
        """
        purged = self._advance(
            CAN_BE_TRASHED,
            because="purged",
            by=member,
            only=Q(~being_extended(), trashed_at__isnull=False, purged_at__isnull=True),
            along=self._let_go,
            purged_at=timezone.now(),
            archive=Archive.NONE,
            archive_at=None,
            **dict.fromkeys(PURGED, ""),
        )
        if purged:
            self.refresh_from_db()
        return purged

    def _let_go(self) -> None:
        rows = type(self).objects.filter(pk=self.pk)
        now = rows.get()  # ours may be older than the files
        Leftover.objects.mark(now.video_file, now.thumbnail_file, now.poster_file)
        rows.update(video_file="", thumbnail_file="", poster_file="", start_frame=None, end_frame=None)
        TemporaryLink.objects.filter(Q(generation=self) | Q(clip=self)).delete()
        # With a code, the text is the provider's and may quote the prompt.
        self.events.exclude(code="").update(text="")
        Frame.objects.filter(pk__in=[now.start_frame_id, now.end_frame_id]).let_go()

    def retry(self, member) -> tuple[models.Model | None, bool]:
        """Ask for the same again, as a new generation; None where this one is not at its end without a video.

        A held key or a second press makes no second one: the key follows from what is repeated, and from how often,
        where the latest retry is neither under way nor seconds old.
        """
        if self.state not in (State.FAILED, State.UNCONFIRMED, State.CANCELED):
            return None, False
        tried = self.retries.count()
        if tried and self.retries.filter(is_one_intention(), pk=self.retries.latest("pk").pk).exists():
            tried -= 1
        linked = ("start_frame", "end_frame", "source_video_id", "source_video_url", "parent", "depth")
        same = {name: getattr(self, name) for name in (*REQUEST, *linked)}
        key = uuid.uuid5(self.uuid, f"retry {tried}")
        # Under its author whoever pressed, so that the author and an admin together make one.
        submission, made = type(self.submission).objects.open(self.member, key, 1, retry_of=self, **same)
        if made:
            self.events.create(kind="retried", member=member)
        return submission, made

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

    def _advance(
        self,
        leaving,
        *,
        because: str,
        by=None,
        text: str = "",
        code: str = "",
        trace_id: str = "",
        only: Q = ANY,
        along: Callable[[], None] | None = None,
        **changes,
    ) -> bool:
        """Make one guarded step: the row, its token's slot, its event and what goes `along`, or nothing at all."""
        # The provider's words may quote an address of ours that is a secret.
        text = redact(text)
        if changes.get("error_message"):
            changes["error_message"] = redact(changes["error_message"])
        if changes.get("task_id"):
            only &= Q(task_id__in=["", changes["task_id"]])
        if trace_id:
            changes["trace_id"] = trace_id[:200]
        with transaction.atomic(durable=True):
            before = self.state
            moved = self._change(leaving, only, changes)
            if not moved:
                # Changed by somebody else, or no step for it: look, and keep it as it is until the end of this.
                self.refresh_from_db(from_queryset=type(self).objects.filter(pk=self.pk).select_for_update(no_key=True))
                before = self.state
                moved = self._change(leaving, only, changes)
            if moved:
                after = changes.get("state", before)
                Event.objects.create(
                    generation=self, kind=because, member=by, text=text[:500], code=code[:100], trace_id=trace_id[:100]
                )
                if along:
                    along()
                # Last, as everybody else's steps change these rows too and wait for this one to end.
                # A row that gets another token leaves the day's count of its own, and the other did not send it.
                stays = State.QUEUED if "token" in changes else after
                ApiToken.move(self.token_id, self.claimed_on, self.amount, before, stays)
                Balance.objects.move(self.member_id, self.month, self.amount, before, after)
        if moved and any(hasattr(value, "resolve_expression") for value in changes.values()):
            self.refresh_from_db()
        elif moved:
            for name, value in changes.items():
                setattr(self, name, value)
        return moved

    def _change(self, leaving, only: Q, changes: dict) -> bool:
        """Write the row if it is still the version that we know, which any other change would have raised."""
        if self.state not in leaving:
            return False
        changes |= {"version": self.version + 1, "changed_at": timezone.now()}
        known = type(self).objects.filter(only, pk=self.pk, version=self.version, state=self.state)
        return bool(known.update(**changes))

    # What taking in news reads of a row, which has seventy columns: a callback loads these and no others.
    FOR_NEWS = (
        "uuid", "state", "version", "token", "member", "amount", "month", "claimed_on", "task_id", "purged_at", "shape",
        "archive", "callback_key_hash",
    )  # fmt: skip

    def opens_with(self, key: str) -> bool:
        """Whether this is the key of the callback URL that the last claim sent out."""
        return bool(self.callback_key_hash) and secrets.compare_digest(self.callback_key_hash, digest(key))

    # ── How it is shown ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def can_extend(self) -> bool:
        return self.state == State.COMPLETED

    @property
    def can_be_trashed(self) -> bool:
        return self.state == State.QUEUED or self.state in CAN_BE_TRASHED

    @property
    def purged_from(self) -> datetime | None:
        """From when on the sweep deletes it for good; None outside the trash."""
        return self.trashed_at and self.trashed_at + IN_THE_TRASH

    @property
    def is_saved(self) -> bool:
        return self.archive == Archive.SAVED

    @property
    def waiting_since(self) -> datetime:
        return self.accepted_at or self.submitted_at or self.created_at

    @property
    def duration_label(self) -> str:
        if self.duration is None:
            return ""
        minutes, seconds = divmod(round(self.duration), 60)
        return f"{minutes}:{seconds:02}"

    @property
    def cost(self) -> str:
        """What it counts for, and where that stands, in words."""
        stands = "spent" if self.state in SPENT else "set aside" if self.state in RESERVED else "given back"
        return f"{Terms.current().amount(self.amount)}, {stands}"

    @property
    def mode(self) -> str:
        """How it was asked for: text, frames or extend."""
        if self.action == "extend":
            return "extend"
        framed = self.start_frame_id or self.end_frame_id or self.start_image_url or self.end_image_url
        return "frames" if framed else "text"

    @property
    def news(self) -> News | None:
        """What went wrong, what it means and who can mend it; None while all is well."""
        if self.state in (State.FAILED, State.UNCONFIRMED):
            rule = policy.words_for(self.state, self.error_code, accepted=bool(self.accepted_at))
            return News(rule.title, rule.text, rule.who, rule.admin)
        if self.state == State.QUEUED and self.held_at:
            return News(
                "Held",
                "Since it was asked for, this installation was restored from a backup, so it may have been sent, "
                "or its provider was changed and another would charge for it. It is not sent until that is settled.",
                "An admin can release it.",
            )
        if self.state == State.QUEUED and self.error_code:
            rule = policy.words_for(self.state, self.error_code, accepted=False)
            return News(rule.title, rule.text, rule.who, rule.admin)
        return self.saving_news if self.state == State.COMPLETED else None
