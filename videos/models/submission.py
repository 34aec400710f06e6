import uuid
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, models, transaction

from .amounts import month_of
from .budget import Balance, Pricing
from .collections import CollectionItem
from .generation import Generation
from .generation.fingerprint import fingerprint_of
from .generation.queryset import is_same_intention
from .member import Member
from .search import fold
from .state import REQUEST, State
from .token import ApiToken

# The columns of a request that are not fields of the form: its frames, and the video it extends.
SOURCE = ("start_frame", "end_frame", "source_video_id", "source_video_url", "parent", "depth")


class AlreadyRequested(Exception):
    """Equal requests were found, so nothing was created.

    `requested` are the member's own that are queued, in flight or seconds old; `made` are the team's finished videos.
    """

    def __init__(self, requested: list[Generation], made: list[Generation]) -> None:
        self.requested, self.made = requested, made
        super().__init__(f"{len(requested)} equal requests in flight, {len(made)} finished")


class SubmissionQuerySet(models.QuerySet["Submission"]):
    def open_unless_requested(
        self,
        member: Member,
        requests: Mapping[uuid.UUID, dict[str, Any]],
        takes: int,
        *,
        confirmed: bool = False,
        include_finished: bool = False,
    ) -> list[tuple["Submission", bool]]:
        """Create a submission for each key and its request, all or none; return them as `open` does.

        A key that was used before is the same request sent again, and returns its submission. Otherwise an equal
        request raises AlreadyRequested, unless the member has `confirmed` it: a pending one of this member, and with
        `include_finished` also a finished one of the team. Raises OverBudget.
        """
        with transaction.atomic():
            # Of two equal requests at the same moment, the second waits here and then sees the rows of the first.
            # SQLite has one writer at a time anyway. NO KEY, as every new row of the member locks the key.
            Member.objects.select_for_update(no_key=True).get(pk=member.pk)
            if not confirmed:
                known = set(self.filter(member=member, key__in=requests).values_list("key", flat=True))
                fresh = [fingerprint_of(settings) for key, settings in requests.items() if key not in known]
                requested = Generation.objects.pending_duplicates(member, fresh)
                made = Generation.objects.finished_duplicates(fresh) if include_finished else []
                if requested or made:
                    raise AlreadyRequested(requested, [row for row in made if row not in requested])
            return [self.open(member, key, takes, **settings) for key, settings in requests.items()]

    def open(
        self,
        member: Member,
        key: uuid.UUID,
        takes: int,
        *,
        event: str = "submitted",
        ignore_limits: bool = False,
        **settings: Any,
    ) -> tuple["Submission", bool]:
        """Create a submission with its takes, or return the one created with this key, and whether it is new.

        This is the only place that creates generations; `event` is their first event. Raises OverBudget, and
        IntegrityError if another generation has the same task.
        """
        parent = settings.get("parent")
        values = {
            "search_text": fold(settings.get("prompt", "")),
            "shape": parent.shape if parent else settings.get("aspect_ratio", "16:9"),
            "fingerprint": fingerprint_of(settings),
            "provider_base_url": ApiToken.objects.current_provider(),
        } | settings
        pricing, month = Pricing.current(), month_of()
        amount = pricing.price_of(settings.get("action", "generate"))
        try:
            with transaction.atomic():
                submission = self.create(member=member, key=key)
                Balance.objects.reserve(member, amount * takes, month, pricing, ignore_limits=ignore_limits)
                for take in range(1, takes + 1):
                    generation = Generation.objects.create(
                        submission=submission,
                        member=member,
                        take=take,
                        takes=takes,
                        amount=amount,
                        month=month,
                        **values,
                    )
                    generation.events.create(kind=event, member=member)
        except IntegrityError:
            # A double click, or a form sent twice.
            if not (made_before := self.filter(member=member, key=key).first()):
                raise
            return made_before, False
        return submission, True

    def retry(self, generation: Generation, by: Member) -> tuple["Submission | None", bool]:
        """Request a generation again, for its author; return the submission, and whether it is new.

        The new video is added to the collections of this one. The submission is None unless the generation has failed,
        was canceled or is unconfirmed. The key follows from the generation and the number of its settled retries, so
        that a held key, a second press, or an admin who retries at the same time creates no second one.
        """
        if generation.state not in (State.FAILED, State.UNCONFIRMED, State.CANCELED):
            return None, False
        retries = generation.retries.count()
        if retries and generation.retries.filter(is_same_intention(), pk=generation.retries.latest("pk").pk).exists():
            retries -= 1
        key = uuid.uuid5(generation.uuid, f"retry {retries}")
        request = {name: getattr(generation, name) for name in (*REQUEST, *SOURCE)}
        with transaction.atomic():
            submission, is_new = self.open(generation.member, key, 1, retry_of=generation, **request)
            if is_new:
                generation.events.create(kind="retried", member=by)
                CollectionItem.objects.copy(generation, submission.generations.all(), by)
        return submission, is_new


class Submission(models.Model):
    """One press of the button: one to four takes of the same request."""

    member = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="submissions")
    key = models.UUIDField(
        default=uuid.uuid4, help_text="From the form, so that a form sent twice creates one submission."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SubmissionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["member", "key"], name="one_submission_for_a_key")]

    def __str__(self) -> str:
        return f"{self.member} at {self.created_at:%Y-%m-%d %H:%M}"
