"""A request that brought no task: what becomes of the row, and of the token."""

import random
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from ... import provider
from .. import policy
from ..circuit import Health
from ..gateway_rejection import GatewayRejection
from ..state import ANY, QUEUED_AT_MOST, State
from ..token import ApiToken

AFTER_OTHERS = timedelta(seconds=3)  # of a pause, so that another row is the first to be sent
UNAVAILABLE = 503


class Refusal:
    """The part of a generation that follows the policy's tables."""

    def refuse(self, error: provider.ProviderError, only: Q = ANY) -> bool:
        """Follow the rule for the error that a POST ended with, where the row is `only` such; tell the token of it.

        The token learns of it in the same transaction: a second try of either does not count twice.
        """
        rule = policy.rule_for(error)
        facts = {
            "error_code": error.code[:100],
            "error_message": error.message,
            "error_status": error.status,
            "trace_id": error.trace_id,
        }
        step = {"only": only, "along": lambda: self._tell_token(rule, error)}
        if rule.becomes == policy.UNCONFIRMED:
            return self._advance(
                {State.SUBMITTING},
                because="unanswered",
                text=error.message,
                code=error.code,
                state=State.UNCONFIRMED,
                ask_at=timezone.now(),
                **facts,
                **step,
            )
        if rule.becomes == policy.QUEUED:
            end = self._end_of_waiting(rule)
            if not end:
                return self._advance(
                    {State.SUBMITTING},
                    because="returned",
                    text=error.message,
                    code=error.code,
                    state=State.QUEUED,
                    not_before=self._not_before(rule, error),
                    **facts,
                    **step,
                    # The sweep had doubted it meanwhile, and its member may have retried it: it is not sent once more.
                ) or self._fail({State.UNCONFIRMED}, because="refused", **facts, **step)
            facts["error_code"] = end
        return self._fail({State.SUBMITTING, State.UNCONFIRMED}, because="refused", **facts, **step)

    def _not_before(self, rule: policy.Rule, error: provider.ProviderError) -> datetime:
        """When it may be sent again. Usually the token pauses and not the row: another token may have room at once."""
        if not rule.row_waits:
            return timezone.now()
        wait = error.retry_after or min(60, 2 ** min(self.attempts, 6)) * random.uniform(0.5, 1)
        return timezone.now() + timedelta(seconds=wait)

    def _end_of_waiting(self, rule: policy.Rule) -> str:
        """Why a row that would be sent again fails instead; "" if it does not."""
        if self.events.filter(kind="claimed", at__lt=timezone.now() - QUEUED_AT_MOST).exists():
            return "too_late"
        return "sent_back" if rule.token == policy.ADDRESS and self._is_blocked() else ""

    def _is_blocked(self) -> bool:
        """Whether every healthy token has sent this row back by now, while the provider accepted others."""
        gateway_rejections = dict(self.gateway_rejections.values_list("token_id", "at"))
        if not gateway_rejections:
            return False
        healthy = ApiToken.objects.of(self.asked_of).filter(enabled=True, health__in=[Health.OK, Health.LIMITED])
        tokens = dict(healthy.values_list("pk", "accepted_at"))
        first = min(gateway_rejections.values())
        others_pass = any(accepted and accepted > first for accepted in tokens.values())
        return others_pass and tokens.keys() <= gateway_rejections.keys() | {self.token_id}

    def _tell_token(self, rule: policy.Rule, error: provider.ProviderError) -> None:
        token = self.token
        if not token:
            return
        because = f"{rule.admin} ({error.code}: {error.message})"
        match rule.token:
            case policy.STAYS:
                if error.sent is provider.Sent.REFUSED:
                    token.answered_clearly(accepted=False)
            case policy.BACKS_OFF:
                token.back_off(because, seconds=error.retry_after)
            case policy.ADDRESS:
                self._bounced(token, token.back_off(because, seconds=error.retry_after))
            case policy.LIMITED:
                token.limited(because, seconds=error.retry_after)
            case policy.DOUBTED:
                unavailable = error.status == UNAVAILABLE
                token.doubted(because, at_once=unavailable, seconds=error.retry_after if unavailable else None)
            case policy.SUSPECT:
                token.refused_without_reason(self.pk, because)
            case _:
                token.disable(Health(rule.token), because)

    def _bounced(self, token: ApiToken, until) -> None:
        """Remember that this token sent the row back; unless another can send it, others go first after the pause."""
        now = timezone.now()
        GatewayRejection.objects.get_or_create(generation=self, token=token, defaults={"at": now})
        others = ApiToken.objects.of(self.asked_of).usable(now).exclude(pk__in=self.gateway_rejections.values("token"))
        if not others.exists():
            rows: models.QuerySet = type(self).objects.filter(pk=self.pk)
            rows.update(not_before=until + AFTER_OTHERS)
            self.not_before = until + AFTER_OTHERS
