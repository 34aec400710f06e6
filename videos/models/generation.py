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
from django.db.models import Case, Count, Exists, F, OuterRef, Q, Value, When
from django.urls import reverse
from django.utils import timezone

from lumaweb.logs import redact

from .. import provider
from . import policy
from .event import Event
from .frame import Frame, TemporaryLink, digest
from .leftover import Leftover
from .token import ApiToken, Health

logger = logging.getLogger(__name__)

# Asked for, these are nearest to what comes: width / height.
RATIOS = {word: int(word.split(":")[0]) / int(word.split(":")[1]) for word in provider.ASPECT_RATIOS}

# Beyond the provider's own timeout: how long a result may stay away before the row says so.
GRACE = timedelta(minutes=15)
# A POST takes at most 10 s to connect and 30 s to be answered; a `submitting` row older than this has lost its worker.
# Were it only slow, its answer would still be recorded: nothing is sent again because of this.
SUBMITTING_AT_MOST = timedelta(seconds=60)
QUEUED_AT_MOST = timedelta(hours=24)
# What ended without a video is looked up for this long, and what cannot be looked up at all is given up after it.
ASKED_AFTER_THE_END = timedelta(hours=24)
# A row is changed and committed within this time, so a poll that looks back this far misses nothing.
LONGEST_TRANSACTION = timedelta(seconds=20)
# How long the trash keeps what was thrown away.
IN_THE_TRASH = timedelta(days=30)


class State(models.TextChoices):
    QUEUED = "queued"
    SUBMITTING = "submitting"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    CANCELED = "canceled"


EVERY = frozenset(State)
ANY = Q()

# What a purge takes off the row itself: all that was said, and every link. Ids, dates and the price stay.
PURGED = (
    "prompt",
    "result_prompt",
    "start_image_url",
    "end_image_url",
    "source_video_url",
    "video_url",
    "thumbnail_url",
    "error_message",
)
# What a member asks for in so many words; frames and the clip to extend come on top.
REQUEST = (
    "action",
    "prompt",
    "aspect_ratio",
    "start_image_url",
    "end_image_url",
    "enhancement",
    "loop",
    "timeout",
)
HOLDS_A_SLOT = frozenset({State.SUBMITTING, State.PROCESSING})
OPEN = frozenset({State.QUEUED, State.SUBMITTING, State.PROCESSING})
AT_THE_PROVIDER = frozenset({State.SUBMITTING, State.PROCESSING, State.UNCONFIRMED})


# What is on its way to the provider or with it cannot be thrown away: it may be charged, and its video may come.
CAN_BE_TRASHED = frozenset({State.COMPLETED, State.FAILED, State.CANCELED})


class Archive(models.TextChoices):
    NONE = "", "nothing to save"
    REMOTE = "remote", "at the provider only"
    SAVED = "saved", "saved here"
    LOST = "lost", "could not be saved"


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


@dataclass(frozen=True, slots=True)
class News:
    """A state in words, for members; `admin` is for admins only."""

    title: str
    text: str
    who: str = ""
    admin: str = ""


class GenerationQuerySet(models.QuerySet):
    def for_gallery(self) -> "GenerationQuerySet":
        """What the team sees, newest first, with what a card shows."""
        return self.filter(trashed_at__isnull=True).select_related("member", "parent").order_by("-pk")

    def in_flight(self) -> "GenerationQuerySet":
        return self.filter(state__in=OPEN, trashed_at__isnull=True)

    def changed_since(self, since: datetime) -> "GenerationQuerySet":
        return self.filter(changed_at__gte=since - LONGEST_TRANSACTION)

    def for_trash(self, member) -> "GenerationQuerySet":
        """What this member may take out of the trash again, the latest first: their own; for an admin everybody's."""
        rows = self.filter(trashed_at__isnull=False, purged_at__isnull=True)
        if not member.is_superuser:
            rows = rows.filter(member=member)
        return rows.select_related("member", "trashed_by").order_by("-trashed_at", "-pk")

    def with_media_for(self, member) -> "GenerationQuerySet":
        """Whose saved files this member may see: the team's, and what is in their own trash."""
        rows = self.filter(purged_at__isnull=True)
        return rows if member.is_superuser else rows.filter(Q(trashed_at__isnull=True) | Q(member=member))

    def worth_purging(self, now=None) -> "GenerationQuerySet":
        """Long enough in the trash, and with nothing under way that may still need it."""
        long_ago = (now or timezone.now()) - IN_THE_TRASH
        rows = self.filter(trashed_at__lte=long_ago, purged_at__isnull=True, state__in=CAN_BE_TRASHED)
        return rows.filter(~being_extended())

    def next_in_line(self, limit: int, now=None) -> list["Generation"]:
        """What may be sent now: everybody's first, then everybody's second, and so on.

        What a member has in the making counts as turns they had, so a batch that is half sent does not go on before
        a colleague's single clip.
        """
        now = now or timezone.now()
        making = self.model.objects.filter(state__in=HOLDS_A_SLOT).values_list("member_id").annotate(Count("pk"))
        had = Case(*(When(member_id=pk, then=Value(number)) for pk, number in making), default=Value(0))
        place = models.Window(models.functions.RowNumber(), partition_by=[F("member_id")], order_by=[F("pk").asc()])
        ready = self.waiting_for_a_turn().filter(not_before__lte=now)
        turn = models.ExpressionWrapper(place + had, output_field=models.IntegerField())
        return list(ready.annotate(turn=turn).order_by("turn", "pk")[:limit])

    def waiting_for_a_turn(self) -> "GenerationQuerySet":
        return self.filter(state=State.QUEUED, held_at__isnull=True, trashed_at__isnull=True)

    def held(self) -> "GenerationQuerySet":
        """What a restore brought back as unsent; it stays where it is until an admin releases it."""
        return self.filter(state=State.QUEUED, held_at__isnull=False, trashed_at__isnull=True)

    def hold(self) -> int:
        """Keep what is queued from being sent until an admin releases it: it was asked of another provider."""
        with transaction.atomic(durable=True):
            return self._all_of(State.QUEUED, "held", "", only=Q(held_at__isnull=True), held_at=timezone.now())

    def hold_after_restore(self) -> tuple[int, int]:
        """Keep what a backup has as unsent from being sent, and doubt what it has as being sent.

        Both may have been paid for since the backup was made. Answers how many rows are held and how many became
        unconfirmed.
        """
        now = timezone.now()
        doubt = "It was being sent when the backup was made."
        unsure = {"state": State.UNCONFIRMED, "ask_at": now, "error_code": "interrupted", "error_message": doubt}
        with transaction.atomic(durable=True):
            held = self._all_of(State.QUEUED, "held", "", held_at=now)
            doubted = self._all_of(State.SUBMITTING, "unanswered", doubt, **unsure)
            ApiToken.objects.recount()
        return held, doubted

    def _all_of(self, leaving: State, because: str, text: str, only: Q = ANY, **changes) -> int:
        rows = self.filter(only, state=leaving)
        Event.objects.bulk_create(
            [Event(generation_id=pk, kind=because, text=text) for pk in rows.values_list("pk", flat=True)],
            batch_size=500,
        )
        return rows.update(version=F("version") + 1, changed_at=timezone.now(), **changes)

    def stuck_submitting(self, now=None) -> "GenerationQuerySet":
        """Their worker died, or hangs beyond what a POST may take."""
        return self.filter(state=State.SUBMITTING, submitted_at__lt=(now or timezone.now()) - SUBMITTING_AT_MOST)

    def worth_asking(self, now=None) -> "GenerationQuerySet":
        """Tasks whose result should be looked up: nobody calls us back, the callback is late, or we gave up lately."""
        return self.filter(ask_at__lte=now or timezone.now()).exclude(task_id="")

    def overdue(self, now=None) -> list["Generation"]:
        """Still without an end a day after all patience was over: its provider cannot be asked (any more)."""
        now = now or timezone.now()
        slow = self.filter(state=State.PROCESSING, accepted_at__lt=now - GRACE - ASKED_AFTER_THE_END)
        return [row for row in slow if row.is_overdue]

    def worth_saving(self, now=None) -> "GenerationQuerySet":
        return self.filter(archive=Archive.REMOTE, archive_at__lte=now or timezone.now())


def being_extended() -> Exists:
    """Whether an extension of the row waits or is being made: the provider may fetch our copy of it."""
    return Exists(Generation.objects.filter(parent=OuterRef("pk"), state__in=OPEN))


class Generation(models.Model):
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
    archive_attempts = models.PositiveIntegerField(default=0)
    video_file = models.FileField(upload_to="videos/", blank=True, max_length=200)
    thumbnail_file = models.FileField(upload_to="videos/", blank=True, max_length=200)
    poster_file = models.FileField(upload_to="videos/", blank=True, max_length=200)
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(null=True)
    duration = models.FloatField(null=True, help_text="Seconds.")

    price = models.DecimalField(null=True, max_digits=12, decimal_places=4, help_text="Credits.")
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
            models.Index(
                fields=["state", "not_before"],
                condition=Q(state__in=["queued", "submitting", "processing", "unconfirmed"]),
                name="generation_open",
            ),
            models.Index(fields=["ask_at"], condition=Q(ask_at__isnull=False), name="generation_ask"),
            models.Index(fields=["archive_at"], condition=Q(archive="remote"), name="generation_unsaved"),
            models.Index(fields=["member", "-id"], name="generation_of_member"),
            models.Index(fields=["video_id"], condition=~Q(video_id=""), name="generation_video_id"),
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
            moved = (
                type(self)
                .objects.waiting_for_a_turn()
                .filter(pk=self.pk, not_before__lte=now)
                .update(
                    state=State.SUBMITTING,
                    version=F("version") + 1,
                    changed_at=now,
                    submitted_at=now,
                    attempts=F("attempts") + 1,
                    callback_key_hash=digest(key),
                    error_code="",
                    error_message="",
                    trace_id="",
                )
            )
            token = self._take_a_token(now) if moved else None
            if not token:
                transaction.set_rollback(True)
                return None
            type(self).objects.filter(pk=self.pk).update(token=token)
            self.events.create(kind="claimed")
        self.refresh_from_db()
        path = reverse("callback", args=[self.uuid, key])
        return Claim(self, token, f"{token.public_url}{path}" if token.public_url else "")

    def _take_a_token(self, now) -> ApiToken | None:
        candidates = list(ApiToken.objects.with_room(now))
        if self.parent_id and self.parent.token_id:
            candidates.sort(key=lambda token: token.pk != self.parent.token_id)
        if self.needs_public_address:
            # Without any address the row is claimed all the same, to say so at once instead of waiting for ever.
            candidates = [token for token in candidates if token.public_url] or candidates
        return next((token for token in candidates if token.take_slot()), None)

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

    def next_source(self, step: int, why: str) -> bool:
        """The provider refused a way of naming the source: back in line, to try from way number `step` on."""
        return self._advance(
            {State.SUBMITTING},
            because="returned",
            text=f"Trying another way to name the clip, since the provider said: {why}",
            state=State.QUEUED,
            source_step=step,
            not_before=timezone.now(),
        )

    def refuse(self, error: provider.ProviderError) -> bool:
        """The POST ended with an error: do what the policy's table says, to this row and to its token."""
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
                return self._fail({State.SUBMITTING, State.UNCONFIRMED}, because="refused", **changes, **trace)
            # The token rests, not the row: another token may have room for it at once.
            return self._advance(
                {State.SUBMITTING},
                because="returned",
                text=error.message,
                code=error.code,
                **trace,
                state=State.QUEUED,
                not_before=now,
                **changes,
                # The sweep had doubted it meanwhile, and its member may have tried again: it is not sent once more.
            ) or self._fail({State.UNCONFIRMED}, because="refused", **changes, **trace)
        if rule.becomes == policy.UNCONFIRMED:
            return self._advance(
                {State.SUBMITTING},
                because="unanswered",
                text=error.message,
                code=error.code,
                **trace,
                state=State.UNCONFIRMED,
                ask_at=now,
                **changes,
            )
        return self._fail({State.SUBMITTING, State.UNCONFIRMED}, because="refused", **changes, **trace)

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

    def record(self, result: provider.Result, via: str) -> Verdict:
        """Take in what a messenger brings ("answer", "callback" or "sweep"): the only door for news.

        News with an artifact completes the row from any state but `completed`; a late task id is always kept; other
        news on a finished row changes nothing. News about another task than the known one is refused.
        """
        known = type(self).objects.values_list("task_id", flat=True).get(pk=self.pk)
        if known and result.task_id and result.task_id != known:
            logger.warning("generation %s: %s about another task refused", self.uuid, via)
            self.events.create(kind="foreign_news", text=f"By {via}.")
            return Verdict.REFUSED
        told = {"task_id": result.task_id} if result.task_id else {}
        try:
            moved = self._take_in(result, via, told) or (
                # A late task id is worth keeping whatever the state: with it the result can be looked up.
                bool(told and not known) and self._learn(told, via)
            )
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

    def _take_in(self, result: provider.Result, via: str, told: dict) -> bool:
        if result.status is provider.Status.COMPLETED:
            return self._complete(result, via, told)
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
        patience = 8 if self.token and self.token.public_url else 3
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
            self.token.worked()
        return accepted

    def _complete(self, result: provider.Result, via: str, told: dict) -> bool:
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
            "result_state": result.state,
            "result_success": result.success,
            "error_code": "",
            "error_message": "",
            **told,
        }
        moved = self._advance(
            EVERY - {State.COMPLETED},
            only=Q(purged_at__isnull=True),
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
            held_at=None,
            finished_at=None,
            # Whoever looks for a video does not want it in the trash.
            trashed_at=None,
            trashed_by=None,
            ask_at=timezone.now(),
        )

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
        return self._advance(
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

        A second press makes no second one: the key follows from what is repeated.
        """
        if self.state not in (State.FAILED, State.UNCONFIRMED, State.CANCELED):
            return None, False
        tried = self.retries.count()
        if tried and self.retries.filter(state__in=OPEN).exists():
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

    def begin_saving(self, seconds: float) -> bool:
        """Take the saving of it for so many seconds; False while another worker has it, or when it is done."""
        now = timezone.now()
        due = type(self).objects.worth_saving(now).filter(pk=self.pk)
        return bool(due.update(archive_at=now + timedelta(seconds=seconds)))

    def still_saving(self, seconds: float) -> None:
        type(self).objects.filter(pk=self.pk, archive=Archive.REMOTE).update(
            archive_at=timezone.now() + timedelta(seconds=seconds)
        )

    def relink(self, result: provider.Result) -> bool:
        """The provider gave a fresh link to a video that is not saved yet; False when it is the one we have."""
        if not result.video_url:
            return False
        return self._advance(
            {State.COMPLETED},
            because="relinked",
            only=Q(archive=Archive.REMOTE) & ~Q(video_url=result.video_url),
            video_url=result.video_url,
            thumbnail_url=result.thumbnail_url or F("thumbnail_url"),
        )

    def disown(self) -> bool:
        """The callback that completed it, before any answer came, was about a task its provider does not know.

        It was a lie, or another's: its link leads nowhere, and the true news may still come.
        """
        return self._advance(
            {State.COMPLETED},
            because="foreign_news",
            only=Q(archive=Archive.REMOTE, via="callback", accepted_at__isnull=True),
            state=State.UNCONFIRMED,
            finished_at=None,
            error_code="no_answer",
            archive=Archive.NONE,
            archive_at=None,
            **dict.fromkeys(("via", "task_id", "video_id", "video_url", "thumbnail_url", "result_prompt"), ""),
        )

    def unsave(self, why: str) -> bool:
        """The saved file is missing or changed: save it again. False where the provider's link is not known."""
        return self._advance(
            {State.COMPLETED},
            because="unsaved",
            text=why,
            # Only what was looked at: a file that was saved anew meanwhile has another name or hash.
            only=Q(archive=Archive.SAVED, video_file=self.video_file.name, sha256=self.sha256) & ~Q(video_url=""),
            archive=Archive.REMOTE,
            archive_at=timezone.now(),
            archive_attempts=0,
        )

    def saved(self, **facts) -> bool:
        """The files are in place: sha256 (hex), size_bytes, duration (s); False when they were before."""
        return self._advance(
            {State.COMPLETED},
            because="saved",
            only=Q(archive__in=[Archive.REMOTE, Archive.LOST]),
            archive=Archive.SAVED,
            archive_at=None,
            **facts,
        )

    def save_again(self, member) -> bool:
        """What kept it from being saved is mended: try anew, with all patience."""
        return self._advance(
            {State.COMPLETED},
            because="unsaved",
            by=member,
            only=Q(archive=Archive.LOST, purged_at__isnull=True) & ~Q(video_url=""),
            archive=Archive.REMOTE,
            archive_at=timezone.now(),
            archive_attempts=0,
        )

    def save_failed(self, why: str, *, for_good: bool, retry_in: float) -> bool:
        """Saving did not work: try again in `retry_in` seconds, or say that the video is lost."""
        unsaved = Q(archive=Archive.REMOTE)  # and not purged meanwhile
        if for_good:
            return self._advance(
                {State.COMPLETED}, because="lost", text=why, only=unsaved, archive=Archive.LOST, archive_at=None
            )
        return self._advance(
            {State.COMPLETED},
            because="save_failed",
            text=why,
            only=unsaved,
            archive_attempts=F("archive_attempts") + 1,
            archive_at=timezone.now() + timedelta(seconds=retry_in),
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
            rows = type(self).objects.filter(pk=self.pk)
            before = rows.select_for_update().only("state", "token_id").get()
            moved = rows.filter(only, state__in=leaving).update(
                version=F("version") + 1, changed_at=timezone.now(), **changes
            )
            if moved:
                after = changes.get("state", before.state)
                ApiToken.move_slots(before.token_id, (after in HOLDS_A_SLOT) - (before.state in HOLDS_A_SLOT))
                self.events.create(kind=because, member=by, text=text[:500], code=code[:100], trace_id=trace_id[:100])
                if along:
                    along()
        self.refresh_from_db()
        return bool(moved)

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
    def ratio(self) -> str:
        """The known aspect ratio nearest to what it is, or will be."""
        if self.video_width and self.video_height:
            shape = self.video_width / self.video_height
            return min(RATIOS, key=lambda word: abs(RATIOS[word] / shape - 1))
        if self.action == "extend" and self.parent_id:
            return self.parent.ratio
        return self.aspect_ratio if self.aspect_ratio in RATIOS else "16:9"

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
        if self.archive == Archive.LOST:
            return News("The video could not be saved here", "Its story says why.", policy.ADMIN)
        return None
