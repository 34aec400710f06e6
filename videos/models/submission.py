import uuid

from django.db import IntegrityError, models, transaction

from .budget import Balance, Terms, month_of
from .request import fingerprint_of
from .search import fold
from .token import ApiToken


class SubmissionQuerySet(models.QuerySet):
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
        from .generation import Generation

        parent = settings.get("parent")
        settings.setdefault("search_text", fold(settings.get("prompt", "")))
        settings.setdefault("shape", parent.shape if parent else settings.get("aspect_ratio", "16:9"))
        settings.setdefault("fingerprint", fingerprint_of(settings))
        settings.setdefault("asked_of", ApiToken.objects.in_charge())
        terms, month = Terms.current(), month_of()
        amount = terms.price_of(settings.get("action", "generate"))
        try:
            with transaction.atomic():
                submission = self.create(member=member, key=key)
                Balance.objects.reserve(member, amount * takes, month, terms, whatever_the_limit=whatever_the_limit)
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
