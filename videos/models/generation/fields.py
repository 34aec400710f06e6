"""The columns of a generation."""

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from ..event import Event
from ..found_task import FoundTask
from ..gateway_rejection import GatewayRejection
from ..state import RESULT_GRACE, Archive, Choice, HoldReason, SearchOutcome, State
from ..token import ApiToken

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager


class GenerationFields(models.Model):
    """The columns of a generation, which the modules of this package share.

    The integer primary key is the order of creation; `uuid` appears in URLs. The fields of the provider's report have
    the provider's names and are in pixels. Source: the Luma videos contract.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    submission = models.ForeignKey("videos.Submission", on_delete=models.PROTECT, related_name="generations")
    take = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1), MaxValueValidator(4)])
    takes = models.PositiveSmallIntegerField(default=1, help_text="The number of takes of the submission.")
    member = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="generations")
    token = models.ForeignKey(ApiToken, null=True, on_delete=models.PROTECT, related_name="generations")
    parent = models.ForeignKey("videos.Generation", null=True, on_delete=models.PROTECT, related_name="children")
    depth = models.PositiveIntegerField(default=0, help_text="The number of ancestors by extension.")
    retry_of = models.ForeignKey("videos.Generation", null=True, on_delete=models.PROTECT, related_name="retries")

    # The request.
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
    provider_base_url = models.CharField(
        max_length=300,
        db_column="asked_of",
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The provider it was requested of, by its base URL: no other may charge for it. Empty: any may.",
    )
    source_step = models.PositiveSmallIntegerField(
        default=0, help_text="The first way to name the source video that has not failed; see `sources`."
    )

    # Progress.
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)
    not_before = models.DateTimeField(default=timezone.now, editable=False)
    held_at = models.DateTimeField(
        null=True, help_text="When it was held. A held video is not sent until an admin releases it."
    )
    hold_reason = models.CharField(
        max_length=10,
        choices=HoldReason,
        default=HoldReason.UNKNOWN,
        db_default="",
        blank=True,
        editable=False,
        help_text="Why it is held, which tells whether it may have been sent before.",
    )
    attempts = models.PositiveIntegerField(default=0)
    submitted_at = models.DateTimeField(null=True)
    uploading = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Whether it is claimed and its frames are being uploaded.",
    )
    accepted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    callback_key_hash = models.CharField(max_length=64, blank=True)
    callback_sent = models.BooleanField(null=True, help_text="Whether the request had a callback URL.")
    next_poll_at = models.DateTimeField(
        null=True,
        db_column="ask_at",
        help_text="When to look the task up, or search for it, unless a result comes first.",
    )
    poll_count = models.PositiveIntegerField(
        default=0, db_column="asked", help_text="How often the task was looked up."
    )
    search_outcome = models.CharField(
        max_length=12,
        choices=SearchOutcome,
        default=SearchOutcome.NOT_YET,
        db_default="",
        blank=True,
        editable=False,
        help_text="The outcome of the latest search for its task at the provider.",
    )
    result_channel = models.CharField(
        max_length=10,
        blank=True,
        db_column="via",
        help_text="How the final result came: answer, callback or sweep.",
    )

    # The provider's report.
    task_id = models.CharField(max_length=200, blank=True)
    task_id_channel = models.CharField(
        max_length=10,
        db_column="task_via",
        blank=True,
        default="",
        db_default="",
        help_text="The most trusted source of the task id: answer, sweep or callback.",
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

    # The copy in Lumaweb's storage.
    archive = models.CharField(max_length=8, choices=Archive, default=Archive.NONE, blank=True)
    archive_at = models.DateTimeField(
        null=True, help_text="When the next attempt to save it is due, or when the current worker's lease ends."
    )
    archive_attempts = models.PositiveIntegerField(
        default=0, help_text="Attempts begun since it was last saved or given up."
    )
    archive_worker = models.CharField(
        max_length=100, blank=True, default="", db_default="", editable=False, help_text="The worker that is saving it."
    )
    archive_deaths = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text="The number of workers that died while saving it."
    )
    archive_error = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text="The cause of the last failed attempt to save it.",
    )
    archive_message = models.CharField(max_length=500, blank=True, default="", db_default="")
    video_file = models.FileField(upload_to="videos/", blank=True, max_length=200)
    thumbnail_file = models.FileField(upload_to="videos/", blank=True, max_length=200)
    poster_file = models.FileField(upload_to="videos/", blank=True, max_length=200)
    poster_color = models.CharField(
        max_length=7,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The poster's dominant color, as #rrggbb; empty if it is not known.",
    )
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(null=True)
    duration = models.FloatField(null=True, help_text="Seconds.")
    frame_rate = models.FloatField(null=True, help_text="Frames per second.")

    # Search and review.
    shape = models.CharField(
        max_length=10, default="16:9", help_text="The aspect ratio of the video, or the requested one."
    )
    search_text = models.TextField(blank=True, help_text="The prompt, folded for search.")
    choice = models.CharField(max_length=8, choices=Choice, default=Choice.NONE, blank=True)

    # The price at submission, in thousandths of a credit. The state tells whether the amount is reserved, spent or
    # returned.
    amount = models.PositiveBigIntegerField(default=0)
    month = models.DateField(null=True, help_text="The first day of the month whose budget it counts for.")
    claimed_on = models.DateField(null=True, help_text="The day whose token limit it counts for.")
    fingerprint = models.CharField(max_length=64, blank=True, help_text="Equal for equal requests.")

    trashed_at = models.DateTimeField(null=True)
    trashed_by = models.ForeignKey("videos.Member", null=True, on_delete=models.PROTECT, related_name="+")
    purged_at = models.DateTimeField(null=True)

    # Reverse relations, which Django adds to the concrete model.
    events: "RelatedManager[Event]"
    found_tasks: "RelatedManager[FoundTask]"
    gateway_rejections: "RelatedManager[GatewayRejection]"

    class Meta:
        abstract = True

    @property
    def is_simulated(self) -> bool:
        """Whether a simulated provider makes it, at no cost; false until it is sent. Reads its token."""
        token = self.token
        return token is not None and token.simulated

    @property
    def waiting_since(self) -> datetime:
        return self.accepted_at or self.submitted_at or self.created_at

    @property
    def is_past_deadline(self) -> bool:
        """Whether the row is in progress for longer than twice its timeout and the grace period, by the clock."""
        allowed = timedelta(seconds=2 * self.timeout) + RESULT_GRACE
        return self.state == State.PROCESSING and self.waiting_since + allowed < timezone.now()

    @property
    def has_frames(self) -> bool:
        """Whether the request has uploaded frames that the provider has to be given."""
        return bool(self.start_frame_id or self.end_frame_id)
