"""Prices, limits and what is used of them. Every amount is in thousandths of a credit."""

from dataclasses import dataclass
from datetime import date

from django.db import models
from django.db.models import Case, Exists, F, Q, Value, When
from django.db.models.expressions import Combinable
from django.utils import timezone

from .amounts import CREDIT, month_of, shown
from .member import Member
from .state import State
from .token import ApiToken

# The states in which a generation's amount is reserved or spent. The sums can be recounted from the rows.
RESERVED = frozenset({State.QUEUED, State.SUBMITTING, State.PROCESSING, State.UNCONFIRMED})
SPENT = frozenset({State.COMPLETED})


class OverBudget(Exception):
    """A submission exceeds this month's budget. The message is for its member; `whose` limit: "member" or "team"."""

    def __init__(self, whose: str, asked: int, left: int, limit: int, pricing: "Pricing") -> None:
        self.whose, self.asked, self.left, self.limit = whose, asked, left, limit
        left = max(0, left)
        rest = f"{shown(left)} of {'your' if whose == 'member' else 'the team’s'} {pricing.amount(limit)}"
        super().__init__(
            f"This takes {pricing.amount(asked)}, and {rest} {'is' if left == CREDIT else 'are'} left for "
            f"{timezone.localdate():%B}. {who_can_raise()} can raise the limit."
        )


class Pricing(models.Model):
    """The prices, their currency and the team's limits, which admins set. There is one row."""

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
        """Format an amount with its unit: "1.5 credits"."""
        label = self.currency.removesuffix("s") if amount == CREDIT and self.currency == "credits" else self.currency
        return f"{shown(amount)} {label}"

    def limit_of(self, member: Member) -> int | None:
        return member.monthly_limit if member.own_limit else self.member_limit


def who_can_raise() -> str:
    """Name up to three admins who can raise a limit."""
    admins = Member.objects.filter(is_superuser=True, is_active=True).order_by("pk")
    names = [admin.get_full_name() or admin.username for admin in admins[:3]]
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "An admin"


class BalanceQuerySet(models.QuerySet["Balance"]):
    def reserve(
        self, member: Member, amount: int, month: date, pricing: Pricing, *, ignore_limits: bool = False
    ) -> None:
        """Reserve an amount of the team's and the member's month, or raise OverBudget and reserve nothing.

        Call it in the transaction that creates the rows. One conditional UPDATE per balance decides. The team's is
        always first, so that two submissions cannot deadlock.
        """
        if not amount:
            return
        # Only the first submission of a month creates balances.
        if self.filter(Q(member=None) | Q(member=member), month=month).count() < 2:
            both = [Balance(month=month), Balance(month=month, member=member)]
            Balance.objects.bulk_create(both, ignore_conflicts=True)
        limits = (("team", None, pricing.team_limit), ("member", member, pricing.limit_of(member)))
        for whose, owner, limit in limits:
            rows = self.filter(month=month, member=owner)
            if limit is None or ignore_limits:
                rows.update(reserved=F("reserved") + amount)
                continue
            within = rows.filter(reserved__lte=limit - amount - F("spent"))
            if not within.update(reserved=F("reserved") + amount):
                raise OverBudget(whose, amount, limit - rows.get().used, limit, pricing)

    def follow(
        self, member_id: int, month: date | None, amount: int, before: str, after: str, token_id: int | None = None
    ) -> None:
        """Reserve, spend or return an amount as its generation changes from one state to another, despite limits.

        `token_id`: the API token of the generation, which tells whether it is simulated.
        """
        reserved = ((after in RESERVED) - (before in RESERVED)) * amount
        spent = ((after in SPENT) - (before in SPENT)) * amount
        if not (reserved or spent):
            return
        changes: dict[str, Combinable] = {"reserved": F("reserved") + reserved, "spent": F("spent") + spent}
        if spent and token_id:
            is_simulated = Exists(ApiToken.objects.filter(pk=token_id, simulated=True))
            changes["simulated"] = F("simulated") + Case(When(is_simulated, then=Value(spent)), default=Value(0))
        for owner in (None, member_id):
            self.filter(month=month, member=owner).update(**changes)

    def of_the_team(self, month: date) -> "Balance":
        return self.filter(month=month, member=None).first() or Balance(month=month)


class Balance(models.Model):
    """The amounts of one month reserved and spent by one member, or by the whole team if `member` is null.

    `simulated` is the part of `spent` that cost nothing, as the videos are simulated.
    """

    month = models.DateField()
    member = models.ForeignKey("videos.Member", null=True, on_delete=models.PROTECT, related_name="balances")
    reserved = models.BigIntegerField(default=0)
    spent = models.BigIntegerField(default=0)
    simulated = models.BigIntegerField(default=0, db_default=0)

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
    def charged(self) -> int:
        """The amount spent on videos that were not simulated."""
        return self.spent - self.simulated

    @property
    def used(self) -> int:
        """The amount that counts towards the limits, simulated videos included."""
        return self.reserved + self.spent


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a member may still spend this month; None: no limit."""

    pricing: Pricing
    left_for_member: int | None
    left_for_team: int | None

    @classmethod
    def of(cls, member: Member) -> "Allowance":
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
        """Say in a sentence who can raise the nearer limit."""
        limit = "the team’s limit" if self.whose == "team" else "your limit"
        return f"{who_can_raise()} can raise {limit} for this month."

    @property
    def whose(self) -> str:
        """Whose limit is nearer: "member" or "team"."""
        team, member = self.left_for_team, self.left_for_member
        return "team" if team is not None and (member is None or team < member) else "member"


@dataclass(frozen=True, slots=True)
class Usage:
    """A member with what they used this month, as text; `share` of the limit from 0 to 1, None without a limit."""

    member: Member
    used: str
    share: float | None

    @classmethod
    def of(cls, members: models.QuerySet[Member], pricing: Pricing) -> "list[Usage]":
        """List these members' usage, active members first, in three queries."""
        balances = {row.member_id: row for row in Balance.objects.filter(month=month_of(), member__in=members)}
        active_first = members.order_by("-is_active", "username")
        return [cls._of(member, balances.get(member.pk) or Balance(), pricing) for member in active_first]

    @classmethod
    def _of(cls, member: Member, balance: Balance, pricing: Pricing) -> "Usage":
        limit = pricing.limit_of(member)
        if limit is None:
            share, words = None, pricing.amount(balance.reserved + balance.charged)
        else:
            share = min(1.0, balance.used / limit) if limit else 1.0
            words = f"{shown(balance.used)} of {pricing.amount(limit)}"
        return cls(member, words + (f", {shown(balance.simulated)} simulated" if balance.simulated else ""), share)
