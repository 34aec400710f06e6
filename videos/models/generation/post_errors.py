"""A POST that brought no task: what becomes of the row and of the token that sent it."""

import random
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone

from ... import provider
from .. import policy
from ..circuit import Health
from ..gateway_rejection import GatewayRejection
from ..state import ANY, AT_THE_PROVIDER, QUEUED_AT_MOST, State
from ..token import ApiToken
from .results import Results
from .task_ids import ANSWER

# How long after a token's pause a rejected row is sent again, so that another row is tried first.
AFTER_OTHERS = timedelta(seconds=3)
UNAVAILABLE = 503


class PostErrors(Results):
    class Meta:
        abstract = True

    def refuse(self, error: provider.ProviderError, condition: Q = ANY) -> bool:
        """Apply the policy's rule for the error of a POST to the row, if it meets `condition`, and to its token.

        Both change in one transaction, so that a retried write counts once.
        """
        rule = policy.rule_for(error)
        facts: dict[str, Any] = {
            "error_code": error.code[:100],
            "error_message": error.message,
            "error_status": error.status,
            "trace_id": error.trace_id,
            "condition": condition,
            "on_success": lambda: self._inform_token(rule, error),
        }
        if rule.next_state == policy.UNCONFIRMED:
            return self._transition(
                {State.SUBMITTING},
                event="unanswered",
                text=error.message,
                code=error.code,
                state=State.UNCONFIRMED,
                next_poll_at=timezone.now(),
                **facts,
            )
        if rule.next_state == policy.QUEUED:
            expired = self._reason_to_give_up(rule)
            if not expired:
                returned = self._transition(
                    {State.SUBMITTING},
                    event="returned",
                    text=error.message,
                    code=error.code,
                    state=State.QUEUED,
                    not_before=self._next_attempt(rule, error),
                    **facts,
                )
                # The sweep may have marked it unconfirmed, and its member may have retried it: do not send it again.
                return returned or self._fail({State.UNCONFIRMED}, event="refused", **facts)
            facts["error_code"] = expired
        return self._fail({State.SUBMITTING, State.UNCONFIRMED}, event="refused", **facts)

    def refuse_with_task(self, error: provider.ProviderError, condition: Q) -> bool:
        """Apply the rule for an error that names a task: keep the task, look it up, and do not send the row again."""
        named = provider.Result(task_id=error.task_id)
        try:
            kept = self._transition(
                AT_THE_PROVIDER,
                event="task_known",
                text="By an error.",
                condition=condition,
                task_id=named.task_id,
                task_id_channel=ANSWER,
            )
            if not kept and self.task_id not in ("", named.task_id):
                self._handle_other_task(named, ANSWER)
        except IntegrityError:
            if self._handle_shared_task(named, ANSWER) is None:
                self.record(named, ANSWER)
        if policy.rule_for(error).next_state == policy.QUEUED:
            error = error.in_doubt()
        refused = self.refuse(error, condition)
        type(self).objects.filter(pk=self.pk).poll_now()
        return refused

    def _next_attempt(self, rule: policy.Rule, error: provider.ProviderError) -> datetime:
        """When to send the row again. Usually the token pauses and not the row, as another token may have room."""
        if not rule.row_waits:
            return timezone.now()
        wait = error.retry_after or min(60, 2 ** min(self.attempts, 6)) * random.uniform(0.5, 1)
        return timezone.now() + timedelta(seconds=wait)

    def _reason_to_give_up(self, rule: policy.Rule) -> str:
        """Return the error code with which a row fails instead of being sent again, or ""."""
        if self.events.filter(kind="claimed", at__lt=timezone.now() - QUEUED_AT_MOST).exists():
            return "too_late"
        return "sent_back" if rule.token_effect == policy.ADDRESS and self._is_blocked() else ""

    def _is_blocked(self) -> bool:
        """Whether a gateway rejected this row with every healthy token, while the provider accepted others."""
        rejections = dict(self.gateway_rejections.values_list("token_id", "at"))
        if not rejections:
            return False
        healthy = ApiToken.objects.of_provider(self.provider_base_url).filter(
            enabled=True, health__in=[Health.OK, Health.LIMITED]
        )
        tokens = dict(healthy.values_list("pk", "accepted_at"))
        first = min(rejections.values())
        others_pass = any(accepted and accepted > first for accepted in tokens.values())
        return others_pass and tokens.keys() <= rejections.keys() | {self.token_id}

    def _inform_token(self, rule: policy.Rule, error: provider.ProviderError) -> None:
        token = self.token
        if not token:
            return
        reason = f"{rule.for_admins} ({error.code}: {error.message})"
        match rule.token_effect:
            case policy.NO_EFFECT:
                if error.sent is provider.Sent.REFUSED:
                    token.record_clear_answer(accepted=False)
            case policy.BACKS_OFF:
                token.back_off(reason, seconds=error.retry_after)
            case policy.ADDRESS:
                self._record_gateway_rejection(token, token.back_off(reason, seconds=error.retry_after))
            case policy.LIMITED:
                token.reduce_concurrency(reason, seconds=error.retry_after)
            case policy.PAUSES_IF_REPEATED:
                unavailable = error.status == UNAVAILABLE
                seconds = error.retry_after if unavailable else None
                token.record_ambiguous_answer(reason, at_once=unavailable, seconds=seconds)
            case policy.SUSPECT:
                token.record_unexplained_refusal(self.pk, reason)
            case _:
                token.disable(Health(rule.token_effect), reason)

    def _record_gateway_rejection(self, token: ApiToken, paused_until: datetime) -> None:
        """Remember this token's rejection; if no other token can send the row, let others go first after the pause."""
        now = timezone.now()
        GatewayRejection.objects.get_or_create(generation_id=self.pk, token=token, defaults={"at": now})
        rejected_with = self.gateway_rejections.values("token")
        if not ApiToken.objects.of_provider(self.provider_base_url).usable(now).exclude(pk__in=rejected_with).exists():
            self.not_before = paused_until + AFTER_OTHERS
            type(self).objects.filter(pk=self.pk).update(not_before=self.not_before)
