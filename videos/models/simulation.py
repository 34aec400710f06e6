"""Simulated videos, which a provider that `serve` starts itself makes at no cost."""

from collections import Counter
from datetime import date

from django.db import models, transaction
from django.db.models import Sum

from .budget import SPENT, Balance
from .generation import Generation
from .rollup import RollUpMark
from .token import ApiToken


def mark_as_simulated(tokens: models.QuerySet[ApiToken]) -> bool:
    """Mark these tokens' videos as simulated, and correct the sums of spent amounts; return whether any was new."""
    with transaction.atomic():
        # Locks the tokens: a video that is completed meanwhile waits, and then reads the mark.
        if not tokens.filter(simulated=False).update(simulated=True):
            return False
        _recount_balances()
        RollUpMark.start_over()
    return True


def _recount_balances() -> None:
    spent = Generation.objects.filter(token__simulated=True, state__in=SPENT).order_by()
    sums: Counter[tuple[date | None, int | None]] = Counter()
    for month, member_id, amount in spent.values_list("month", "member_id").annotate(Sum("amount")):
        sums[month, member_id] += amount
        sums[month, None] += amount
    for (month, member_id), amount in sums.items():
        if month is None:  # never counted for a budget
            continue
        Balance.objects.filter(month=month, member=member_id).update(simulated=amount)
