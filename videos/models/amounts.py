"""Amounts of credits and the months they belong to. An amount is a whole number of thousandths of a credit."""

from datetime import date
from decimal import Decimal

from django.utils import timezone

CREDIT = 1000


def month_of(day: date | None = None) -> date:
    """Return the first day of the month of `day`, or of today in the team's time zone."""
    return (day or timezone.localdate()).replace(day=1)


def shown(amount: int) -> str:
    """Format an amount in credits without trailing zeros: 1500 is "1.5"."""
    credits = Decimal(amount) / CREDIT
    return f"{credits:,.3f}".rstrip("0").rstrip(".")


def in_credits(amount: int) -> str:
    """Format an amount of the provider's credits, which are not the unit of the budget: "1.5 credits"."""
    return f"{shown(amount)} credit{'' if amount == CREDIT else 's'}"
