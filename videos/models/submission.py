import uuid
from collections.abc import Mapping

from django.db import IntegrityError, models, transaction

from .budget import Balance, Pricing, month_of
from .generation import Generation
from .generation.fingerprint import fingerprint_of
from .member import Member
from .search import fold
from .token import ApiToken


class AlreadyRequested(Exception):
    """Equal requests were found, so nothing was created.

    `requested` are the member's own that are queued, in flight or seconds old; `made` are the team's finished videos.
    """

    def __init__(self, requested: list[Generation], made: list[Generation]) -> None:
        self.requested, self.made = requested, made
        super().__init__(f"{len(requested)} equal requests in flight, {len(made)} finished")


class SubmissionQuerySet(models.QuerySet):
    def open_unless_requested(
        self,
        member,
        asked: Mapping[uuid.UUID, dict],
        takes: int,
        *,
        again: bool = False,
        ask_about_made: bool = False,
    ) -> list[tuple["Submission", bool]]:
        """Create a submission for each key and its settings, all or none; return them as `open` does.

        A key that was used before is the same request sent again and is answered with what it made. Otherwise, unless
        the member asked for it `again`, an equal request stops all of them; `ask_about_made` includes what the team
        has finished. Raises AlreadyRequested and OverBudget.
        """
        with transaction.atomic():
            # Two equal requests at one instant: the second waits here, then sees the rows of the first. SQLite has
            # one writer at a time anyway. NO KEY, as every new row that names the member locks the key.
            Member.objects.select_for_update(no_key=True).get(pk=member.pk)
            if not again:
                known = set(self.filter(member=member, key__in=asked).values_list("key", flat=True))
                fresh = [fingerprint_of(settings) for key, settings in asked.items() if key not in known]
                requested = Generation.objects.requested_by(member, fresh)
                made = Generation.objects.made_before(fresh) if ask_about_made else []
                if requested or made:
                    raise AlreadyRequested(requested, [row for row in made if row not in requested])
            return [self.open(member, key, takes, **settings) for key, settings in asked.items()]

    def open(
        self,
        member,
        key: uuid.UUID,
        takes: int,
        *,
        because: str = "submitted",
        whatever_the_limit: bool = False,
        **settings,
    ) -> tuple["Submission", bool]:
        """Create the submission with its takes; one that was made with this key before is returned as it is.

        The only door by which a generation comes into being; it tells why by its first event. False as second:
        nothing new was made. Raises OverBudget, and IntegrityError for a task another generation has.
        """
        parent = settings.get("parent")
        settings.setdefault("search_text", fold(settings.get("prompt", "")))
        settings.setdefault("shape", parent.shape if parent else settings.get("aspect_ratio", "16:9"))
        settings.setdefault("fingerprint", fingerprint_of(settings))
        settings.setdefault("asked_of", ApiToken.objects.in_charge())
        pricing, month = Pricing.current(), month_of()
        amount = pricing.price_of(settings.get("action", "generate"))
        try:
            with transaction.atomic():
                submission = self.create(member=member, key=key)
                Balance.objects.reserve(member, amount * takes, month, pricing, whatever_the_limit=whatever_the_limit)
                for take in range(1, takes + 1):
                    generation = Generation.objects.create(
                        submission=submission,
                        member=member,
                        take=take,
                        takes=takes,
                        amount=amount,
                        month=month,
                        **settings,
                    )
                    generation.events.create(kind=because, member=member)
        except IntegrityError:
            # The second click of a double click, or a form sent again.
            if not (made_before := self.filter(member=member, key=key).first()):
                raise
            return made_before, False
        return submission, True


class Submission(models.Model):
    """What one press of the button asked for: one to four takes of the same request."""

    member = models.ForeignKey("videos.Member", on_delete=models.PROTECT, related_name="submissions")
    key = models.UUIDField(default=uuid.uuid4, help_text="From the form: sent twice, it makes one submission.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SubmissionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["member", "key"], name="one_submission_for_a_key")]

    def __str__(self) -> str:
        return f"{self.member} at {self.created_at:%Y-%m-%d %H:%M}"
