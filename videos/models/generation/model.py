import logging
import uuid
from collections.abc import Callable
from datetime import datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from lumaweb.logs import redact

from .. import policy
from ..budget import RESERVED, SPENT, Balance, Pricing
from ..event import Event
from ..frame import Frame, TemporaryLink
from ..orphaned_file import OrphanedFile
from ..state import (
    ANY,
    CAN_BE_TRASHED,
    EVERY,
    IN_THE_TRASH,
    OPEN,
    PURGED,
    REQUEST,
    Archive,
    Choice,
    SearchOutcome,
    State,
)
from ..token import ApiToken
from .explanation import News, explain, task_news
from .post_errors import Refusal
from .queryset import GenerationQuerySet, being_extended, is_one_intention
from .results import Results
from .saving import Saving
from .submitting import Sending
from .task_ids import TaskIds
from .task_search import InDoubt
from .uploading import Uploading

logger = logging.getLogger(__name__)


class Generation(Sending, Uploading, Refusal, Results, TaskIds, InDoubt, Saving, models.Model):
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
    uploading = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="Claimed, and its frames are uploaded first."
    )
    accepted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    callback_key_hash = models.CharField(max_length=64, blank=True)
    callback_sent = models.BooleanField(null=True, help_text="Whether the provider was told where to call back.")
    ask_at = models.DateTimeField(null=True, help_text="When to look the task up, if no news came before.")
    asked = models.PositiveIntegerField(default=0)
    search_outcome = models.CharField(
        max_length=12,
        choices=SearchOutcome,
        default=SearchOutcome.NOT_YET,
        db_default="",
        blank=True,
        editable=False,
        help_text="In doubt: what the latest search at the provider has brought.",
    )
    via = models.CharField(max_length=10, blank=True, help_text="Which messenger brought the end.")

    # What the provider reported.
    task_id = models.CharField(max_length=200, blank=True)
    task_via = models.CharField(
        max_length=10, blank=True, default="", db_default="", help_text="The most trusted messenger of the task id."
    )
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
    error_status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status of the POST's error.")
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

    def _fail(self, leaving, *, because: str, **changes) -> bool:
        return self._advance(
            leaving,
            because=because,
            text=changes.get("error_message", ""),
            code=changes.get("error_code", ""),
            **({"state": State.FAILED, "finished_at": timezone.now(), "ask_at": None} | changes),
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
        marked here, in the same transaction; `OrphanedFile.remove` takes them away after it.
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
        OrphanedFile.objects.mark(now.video_file, now.thumbnail_file, now.poster_file)
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
        instead_of: str = "",
        **changes,
    ) -> bool:
        """Make one guarded step: the row, its token's slot, its event and what goes `along`, or nothing at all."""
        # The provider's words may quote an address of ours that is a secret.
        text = redact(text)
        if changes.get("error_message"):
            changes["error_message"] = redact(changes["error_message"])
        if "error_code" in changes:
            # The status belongs to the code beside it.
            changes.setdefault("error_status", None)
        if changes.get("task_id"):
            only &= Q(task_id__in=[instead_of or "", changes["task_id"]])
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
        if changes.get("task_id") and changes["task_id"] == self.task_id:
            # Who named the known task is told by `_trust`, and never less than before.
            changes["task_via"] = self.task_via
        changes |= {"version": self.version + 1, "changed_at": timezone.now()}
        known = type(self).objects.filter(only, pk=self.pk, version=self.version, state=self.state)
        return bool(known.update(**changes))

    # What taking in news reads of a row, which has seventy columns: a callback loads these and no others.
    FOR_NEWS = (
        "uuid", "state", "version", "token", "member", "amount", "month", "claimed_on", "task_id", "purged_at", "shape",
        "archive", "callback_key_hash", "task_via", "ask_at", "error_code",
    )  # fmt: skip

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
        return f"{Pricing.current().amount(self.amount)}, {stands}"

    @property
    def mode(self) -> str:
        """How it was asked for: text, frames or extend."""
        if self.action == "extend":
            return "extend"
        framed = self.start_frame_id or self.end_frame_id or self.start_image_url or self.end_image_url
        return "frames" if framed else "text"

    @property
    def news(self) -> News | None:
        """What went wrong, what it means and what can be done; None while all is well."""
        if said := task_news(self.state, self.error_code):
            return said
        return self.saving_news if self.state == State.COMPLETED else explain(self)

    @property
    def is_error_ours(self) -> bool:
        """Whether the error's message was written by Lumaweb and not by the provider."""
        return policy.is_ours(self.error_code)
