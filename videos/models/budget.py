"""What videos cost and how much may be spent; every amount is a whole number of thousandths of a credit."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from .state import State

CREDIT = 1000

# An amount stands where its generation stands, so the sums can always be counted anew from the rows.
RESERVED = frozenset({State.QUEUED, State.SUBMITTING, State.PROCESSING, State.UNCONFIRMED})
SPENT = frozenset({State.COMPLETED})


def month_of(day: date | None = None) -> date:
    """The first of the month, in the team's time zone."""
    return (day or timezone.localdate()).replace(day=1)


def shown(amount: int) -> str:
    """An amount in credits, without needless zeros: 1500 is "1.5"."""
    credits = Decimal(amount) / CREDIT
    return f"{credits:,.3f}".rstrip("0").rstrip(".")


class OverBudget(Exception):
    """A submission that the budget of this month does not hold; the message is for its member."""

    def __init__(self, whose: str, asked: int, left: int, limit: int, pricing: "Pricing") -> None:
        self.whose, self.asked, self.left, self.limit = whose, asked, left, limit
        left = max(0, left)
        rest = f"{shown(left)} of {'your' if whose == 'member' else 'the team’s'} {pricing.amount(limit)}"
        super().__init__(
            f"This takes {pricing.amount(asked)}, and {rest} {'is' if left == CREDIT else 'are'} left for "
            f"{timezone.localdate():%B}. {pricing.who_can_raise()} can raise the limit."
        )


class Pricing(models.Model):
    """The one row of what an admin sets: prices, their currency, and the limits for everybody."""

    per_generate = models.PositiveBigIntegerField(default=CREDIT)
    per_extend = models.PositiveBigIntegerField(default=CREDIT)
    currency = models.CharField(max_length=20, default="credits")
    team_limit = models.PositiveBigIntegerField(null=True, help_text="A month, all together; empty: no limit.")
    member_limit = models.PositiveBigIntegerField(null=True, help_text="A month, each member; empty: no limit.")

    class Meta:
        db_table = "videos_terms"

    def __str__(self) -> str:
        return f"{self.amount(self.per_generate)} a video"

    @classmethod
    def current(cls) -> "Pricing":
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    def price_of(self, action: str) -> int:
        return self.per_extend if action == "extend" else self.per_generate

    def amount(self, amount: int) -> str:
        """In words: "1.5 credits"."""
        label = self.currency.removesuffix("s") if amount == CREDIT and self.currency == "credits" else self.currency
        return f"{shown(amount)} {label}"

    def limit_of(self, member) -> int | None:
        return member.monthly_limit if member.own_limit else self.member_limit

    @staticmethod
    def who_can_raise() -> str:
        from .member import Member

        admins = Member.objects.filter(is_superuser=True, is_active=True).order_by("pk")
        names = [admin.get_full_name() or admin.username for admin in admins[:3]]
        return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "An admin"


class BalanceQuerySet(models.QuerySet):
    def reserve(self, member, amount: int, month: date, pricing: Pricing, *, whatever_the_limit: bool = False) -> None:
        """Set this much aside from the team's month and the member's, both or neither; raise OverBudget.

        To be called in the transaction that makes the rows. One UPDATE for each decides, the team's always first, so
        that two submissions never wait for each other.
        """
        if not amount:
            return
        # Only for the first of the month; afterwards nothing is written by it.
        if self.filter(Q(member=None) | Q(member=member), month=month).count() < 2:
            self.bulk_create([Balance(month=month), Balance(month=month, member=member)], ignore_conflicts=True)
        for whose, owner, limit in (("team", None, pricing.team_limit), ("member", member, pricing.limit_of(member))):
            rows = self.filter(month=month, member=owner)
            within = (
                rows if whatever_the_limit or limit is None else rows.filter(reserved__lte=limit - amount - F("spent"))
            )
            if not within.update(reserved=F("reserved") + amount):
                raise OverBudget(whose, amount, limit - rows.get().used, limit, pricing)

    def move(self, member_id: int, month: date | None, amount: int, before: str, after: str) -> None:
        """Follow a generation from one state to another: settle, give back, or take again, whatever the limit."""
        reserved = ((after in RESERVED) - (before in RESERVED)) * amount
        spent = ((after in SPENT) - (before in SPENT)) * amount
        if not (reserved or spent):
            return
        for owner in (None, member_id):
            self.filter(month=month, member=owner).update(reserved=F("reserved") + reserved, spent=F("spent") + spent)

    def of_the_team(self, month: date) -> "Balance":
        return self.filter(month=month, member=None).first() or Balance(month=month)


class Balance(models.Model):
    """How much of one month is set aside and spent, by one member, or by the whole team where there is no member."""

    month = models.DateField()
    member = models.ForeignKey("videos.Member", null=True, on_delete=models.PROTECT, related_name="balances")
    reserved = models.BigIntegerField(default=0)
    spent = models.BigIntegerField(default=0)

    objects = BalanceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["month", "member"], condition=Q(member__isnull=False), name="one_balance_a_month_for_a_member"
            ),
            models.UniqueConstraint(
                fields=["month"], condition=Q(member__isnull=True), name="one_balance_a_month_for_the_team"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}, {self.member or 'team'}: {shown(self.used)}"

    @property
    def used(self) -> int:
        return self.reserved + self.spent


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a member may still ask for this month; None: without limit."""

    pricing: Pricing
    left_for_member: int | None
    left_for_team: int | None

    @classmethod
    def of(cls, member) -> "Allowance":
        pricing = Pricing.current()
        limits = {None: pricing.team_limit, member.pk: pricing.limit_of(member)}
        if all(limit is None for limit in limits.values()):
            return cls(pricing, None, None)
        used = {
            balance.member_id: balance.used
            for balance in Balance.objects.filter(Q(member=None) | Q(member=member), month=month_of())
        }
        left = {owner: None if limit is None else max(0, limit - used.get(owner, 0)) for owner, limit in limits.items()}
        return cls(pricing, left[member.pk], left[None])

    @property
    def left(self) -> int | None:
        return min((left for left in (self.left_for_member, self.left_for_team) if left is not None), default=None)

    @property
    def who_can_raise(self) -> str:
        """Whose limit is near, and who can do something about it, in a sentence."""
        limit = "the team’s limit" if self.whose == "team" else "your limit"
        return f"{self.pricing.who_can_raise()} can raise {limit} for this month."

    @property
    def whose(self) -> str:
        """Whose limit is the nearer one: "member" or "team"."""
        team, member = self.left_for_team, self.left_for_member
        return "team" if team is not None and (member is None or team < member) else "member"
