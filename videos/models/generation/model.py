"""The generation: its phases put together, and what pages show of it."""

from django.db import models
from django.db.models import Q
from django.urls import reverse

from .. import policy
from ..budget import RESERVED, SPENT, Pricing
from ..member import Member
from ..state import GIVEN_UP, OPEN, Archive, State
from .explanation import Explanation, explain
from .polling import Polling
from .post_errors import PostErrors
from .saving import Saving
from .saving_explanation import explain_saving, link_expiry
from .submitting import Submitting
from .task_search import TaskSearch
from .trashing import Trashing


class Generation(Submitting, PostErrors, Polling, TaskSearch, Saving, Trashing):
    """One requested video, from the form to the saved file."""

    # The columns that recording a callback reads: a row has seventy, and a callback should not load them all.
    CALLBACK_FIELDS = (
        "uuid", "state", "version", "token", "member", "amount", "month", "claimed_on", "task_id", "purged_at", "shape",
        "archive", "callback_key_hash", "task_id_channel", "next_poll_at", "error_code",
    )  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["submission", "take"], name="one_generation_for_a_take"),
            models.CheckConstraint(condition=Q(state__in=list(State)), name="generation_state_is_known"),
            # With one task in two rows, one video would be counted twice.
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
            models.Index(fields=["next_poll_at"], condition=Q(next_poll_at__isnull=False), name="generation_ask"),
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
            # The sum of all sizes, and the largest videos, without reading the rows.
            models.Index(
                fields=["size_bytes", "trashed_at", "purged_at"],
                condition=Q(size_bytes__isnull=False),
                name="generation_sizes",
            ),
            models.Index(
                fields=["id"], condition=Q(choice="rejected", trashed_at__isnull=True), name="generation_rejected"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_state_display()}: {self.prompt[:60]}"

    def get_absolute_url(self) -> str:
        return reverse("generation", args=[self.uuid])

    def may_be_changed_by(self, member: Member) -> bool:
        """Whether this member may cancel, retry, trash or otherwise change the video: its author, or an admin."""
        return self.member_id == member.pk or member.is_superuser

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def can_extend(self) -> bool:
        return self.state == State.COMPLETED

    @property
    def is_saved(self) -> bool:
        return self.archive == Archive.SAVED

    @property
    def can_be_saved_again(self) -> bool:
        """Whether the page offers “Save again”."""
        waits = self.archive == Archive.REMOTE and self.archive_error
        return bool(self.state == State.COMPLETED and self.video_url and (waits or self.archive == Archive.LOST))

    @property
    def may_be_charged_twice(self) -> bool:
        """Whether a retry may pay for a video that the provider has made for this request."""
        is_given_up = self.state == State.FAILED and self.error_code in GIVEN_UP
        return self.state == State.UNCONFIRMED or is_given_up

    @property
    def mode(self) -> str:
        """How the video was requested: "text", "frames" or "extend"."""
        if self.action == "extend":
            return "extend"
        return "frames" if self.has_frames or self.start_image_url or self.end_image_url else "text"

    @property
    def duration_label(self) -> str:
        if self.duration is None:
            return ""
        minutes, seconds = divmod(round(self.duration), 60)
        return f"{minutes}:{seconds:02}"

    @property
    def cost(self) -> str:
        """The price, and whether it is spent, reserved or returned; a finished simulated video cost nothing."""
        spent = "simulated: not charged" if self.is_simulated else "spent"
        status = spent if self.state in SPENT else "set aside" if self.state in RESERVED else "given back"
        return f"{Pricing.current().amount(self.amount)}, {status}"

    @property
    def explanation(self) -> Explanation | None:
        """What went wrong and what to do next; None if nothing did."""
        explanation = explain(self)
        return explain_saving(self) if not explanation and self.state == State.COMPLETED else explanation

    @property
    def link_expiry(self) -> str:
        return link_expiry(self)

    @property
    def is_error_ours(self) -> bool:
        """Whether Lumaweb, and not the provider, wrote the error's message."""
        return policy.is_ours(self.error_code)
