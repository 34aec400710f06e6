"""Queued rows when new videos go to another provider: hold, cancel or send them there. Other states never move."""

from dataclasses import dataclass
from datetime import date
from typing import Self

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.utils import timezone

from ..budget import Balance, Pricing
from ..member import Member
from ..state import ANY, HELD_UNSENT, HoldReason, State, Unfinished
from .bulk_transition import Row
from .storage_queryset import StorageQuerySet

Amounts = tuple[tuple[int, date | None, int], ...]  # member, month, thousandths of a credit


@dataclass(frozen=True, slots=True)
class Requeued:
    """How many rows changed, and the credits that were set aside for them before and are needed now."""

    count: int = 0
    before: Amounts = ()
    after: Amounts = ()

    def settle(self, pricing: Pricing) -> None:
        """Move the credits; raise OverBudget if they do not fit the limits.

        Call it last in the transaction: other transactions, too, lock the rows, then the tokens, then the balances.
        """
        for member, month, amount in self.before:
            Balance.objects.follow(member, month, amount, State.QUEUED, State.CANCELED)
        members = Member.objects.in_bulk([member for member, _, _ in self.after])
        for member, month, amount in self.after:
            if month:
                Balance.objects.reserve(members[member], amount, month, pricing)


class ProviderSwitchQuerySet(StorageQuerySet[Row]):
    """Call these in a transaction before any token changes: a claim locks the row first, then the token."""

    def held(self) -> Self:
        """Select the queued rows that are not sent until an admin releases them."""
        return self.filter(Unfinished("state"), state=State.QUEUED, held_at__isnull=False, trashed_at__isnull=True)

    def held_unsent(self) -> Self:
        """Select the held rows that were surely not sent."""
        return self.held().filter(hold_reason__in=HELD_UNSENT)

    def held_since_restore(self) -> Self:
        """Select the other held rows, which may have been sent: held since a restore, or by an earlier version."""
        return self.held().exclude(hold_reason__in=HELD_UNSENT)

    def queued_elsewhere(self, base_url: str) -> Self:
        """Select the queued rows, held or not, that were requested of another provider than this one."""
        queued = self.filter(Unfinished("state"), state=State.QUEUED, trashed_at__isnull=True)
        return queued.exclude(provider_base_url=base_url)

    def hold(self, reason: HoldReason, but: str = "") -> int:
        """Hold queued rows until an admin releases them, except those requested of the provider `but`; count them.

        Rows that are held already keep their reason.
        """
        unheld = Q(held_at__isnull=True) & (~Q(provider_base_url=but) if but else ANY)
        with transaction.atomic():
            return self._transition_all(
                State.QUEUED, "held", "", condition=unheld, held_at=timezone.now(), hold_reason=reason
            )

    def cancel_queued(self, by: Member) -> Requeued:
        """Cancel the queued rows of this selection; a row that a worker has claimed is no longer queued and stays."""
        these = self._lock()
        before = self._amounts(these)
        values = {"state": State.CANCELED, "finished_at": timezone.now()}
        return Requeued(self._transition_all(State.QUEUED, "canceled", "", these, by, **values), before)

    def send_queued(self, base_url: str, by: Member, pricing: Pricing) -> Requeued:
        """Let the queued rows of this selection be sent to this provider at these prices.

        Only rows that were surely never accepted: one with a task id, or that a worker has claimed, stays.
        """
        these = self._lock(Q(task_id=""))
        before = self._amounts(these)
        for action in ("generate", "extend"):
            self.filter(these, action=action).update(amount=pricing.price_of(action))
        after = self._amounts(these)
        values = {
            "held_at": None,
            "hold_reason": HoldReason.UNKNOWN,
            "provider_base_url": base_url,
            "not_before": timezone.now(),
        }
        return Requeued(self._transition_all(State.QUEUED, "released", "", these, by, **values), before, after)

    def price_at(self, pricing: Pricing) -> int:
        """Return what this selection costs at these prices, in thousandths of a credit."""
        counts = self.order_by().values_list("action").annotate(Count("pk"))
        return sum(number * pricing.price_of(action) for action, number in counts)

    def _lock(self, condition: Q = ANY) -> Q:
        """Lock the queued rows of this selection, and match exactly these."""
        queued = self.filter(condition, state=State.QUEUED).order_by("pk")
        return Q(pk__in=list(queued.select_for_update(no_key=True).values_list("pk", flat=True)))

    def _amounts(self, these: Q) -> Amounts:
        sums = self.filter(these).order_by().values_list("member", "month").annotate(Sum("amount"))
        # In a fixed order, so that two transactions cannot wait for each other's balances.
        return tuple(sorted(sums, key=lambda one: (one[0], one[1] or date.min)))
