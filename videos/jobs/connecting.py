"""Connect a provider: store a token that has passed its test, and let new videos go to its provider.

Everything happens in one transaction, or nothing: two admins who connect at the same moment get one result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection, models, transaction

from ..models import ApiToken, AuditEntry, Generation, HoldReason, Member, Pricing, Requeued
from .queue import enqueue_drain

_LOCK = 0x4C756D61  # of PostgreSQL's advisory locks: "Luma"


class Waiting(models.TextChoices):
    """The choice for videos that wait for another provider."""

    CANCEL = "cancel", "Cancel them"
    KEEP = "keep", "Keep them waiting"
    SEND = "send", "Make them with the new provider"


@dataclass(frozen=True, slots=True)
class Connected:
    """The token, whether it was added now, whether new videos changed their provider, and the videos that waited."""

    token: ApiToken
    is_new: bool
    switched: bool
    waited: int


def connect(
    by: Member,
    base_url: str,
    secret: str,
    name: str,
    *,
    waiting: Waiting = Waiting.CANCEL,
    set_prices: Callable[[Member], Any] = lambda by: None,
    **limits: Any,
) -> Connected:
    """Use a tested secret for new videos; an equal one that is stored is used again. Raises OverBudget.

    set_prices: stores new prices and the team's limits in the same transaction. limits: of a new token.
    """
    with transaction.atomic(durable=True):
        _one_at_a_time()
        set_prices(by)
        prices = Pricing.current()
        switched = ApiToken.objects.filter(enabled=True).exclude(base_url=base_url).exists()
        # The rows before the tokens, like a claim.
        requeued = _settle_waiting(by, base_url, waiting, prices)
        token = next((one for one in ApiToken.objects.filter(base_url=base_url) if one.opens_with(secret)), None)
        is_new = token is None
        if token is None:
            token = ApiToken(base_url=base_url, name=_free_name(name), **limits)
            token.secret = secret
            token.save()
            token.note(by, f"added for {base_url}")
        else:
            token.set_enabled(True, by)
            token.reenable(by)
        ApiToken.objects.pause_other_providers(base_url, by)
        requeued.settle(prices)
        enqueue_drain()
    return Connected(token, is_new, switched, requeued.count)


def switch(by: Member, token: ApiToken, waiting: Waiting = Waiting.KEEP) -> int:
    """Resume a tested token and pause every other provider's; return how many videos waited for these."""
    with transaction.atomic(durable=True):
        _one_at_a_time()
        prices = Pricing.current()
        requeued = _settle_waiting(by, token.base_url, waiting, prices)
        token.set_enabled(True, by)
        ApiToken.objects.pause_other_providers(token.base_url, by)
        requeued.settle(prices)
        enqueue_drain()
    return requeued.count


def decide_held(by: Member, choice: Waiting, *, since_restore: bool) -> int:
    """Cancel held videos, or send them to the current provider; return their number. Raises OverBudget.

    since_restore: those that may have been sent before; otherwise those that surely were not.
    """
    with transaction.atomic(durable=True):
        _one_at_a_time()
        base_url = ApiToken.objects.current_provider()
        rows = Generation.objects.held_since_restore() if since_restore else Generation.objects.held_unsent()
        prices = Pricing.current()
        requeued = rows.cancel_queued(by) if choice == Waiting.CANCEL else rows.send_queued(base_url, by, prices)
        requeued.settle(prices)
        if requeued.count:
            done = "Canceled" if choice == Waiting.CANCEL else "Released"
            AuditEntry.objects.record(by, f"{done} {requeued.count} held videos.")
            enqueue_drain()
    return requeued.count


def _settle_waiting(by: Member, base_url: str, waiting: Waiting, prices: Pricing) -> Requeued:
    """Hold, cancel or send the videos that wait for another provider; do nothing if this one is current."""
    if ApiToken.objects.current_provider() == base_url:
        return Requeued()
    if waiting == Waiting.KEEP:
        return Requeued(Generation.objects.hold(HoldReason.PROVIDER, but=base_url))
    rows = Generation.objects.queued_elsewhere(base_url).filter(held_at__isnull=True)
    return rows.cancel_queued(by) if waiting == Waiting.CANCEL else rows.send_queued(base_url, by, prices)


def _free_name(name: str) -> str:
    """Return this name, with a number if another token has it."""
    names = set(ApiToken.objects.values_list("name", flat=True))
    numbered = (f"{name[:74]} {number}" for number in range(2, len(names) + 3))
    return name if name not in names else next(one for one in numbered if one not in names)


def _one_at_a_time() -> None:
    """Let a second change of the provider wait until the end of this transaction."""
    if connection.vendor == "postgresql":
        # A table lock would deadlock with a claim, which has locked its row. SQLite has one writer at a time anyway.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
