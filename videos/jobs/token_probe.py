"""Probe tokens that were paused after ambiguous answers: a free look-up, before another request is risked."""

import logging
import uuid

from .. import provider
from ..models import ApiToken, Health, policy
from .provider_calls import call_providers

logger = logging.getLogger(__name__)

PROBE_SECONDS = 8.0  # the ticker waits for it
RETRY_AFTER = 20.0  # seconds, if the process that probes dies


def probe_tokens() -> None:
    """Look up a task that does not exist with each token whose pause is over, all at once."""
    tokens = [token for token in ApiToken.objects.awaiting_look_up() if token.begin_probe(RETRY_AFTER)]
    answers = call_providers([(token, _look_up_nothing) for token in tokens], PROBE_SECONDS) if tokens else []
    for token, answer in zip(tokens, answers, strict=True):
        _record(token, answer if isinstance(answer, provider.ProviderError) else None)


async def _look_up_nothing(luma: provider.LumaClient) -> None:
    await luma.task(str(uuid.uuid4()))


def _record(token: ApiToken, error: provider.ProviderError | None) -> None:
    if error is None:
        logger.info("token %s: the provider answers look-ups again; one request is sent next", token.pk)
        token.record_look_up_answered()
        return
    rule = policy.rule_for(error)
    reason = f"{rule.for_admins} ({error.code}: {error.message})"
    logger.warning("token %s: not used yet, a look-up failed: %s", token.pk, error)
    if rule.token_effect in Health.values:
        token.disable(Health(rule.token_effect), reason)
    else:
        token.record_look_up_failed(reason, seconds=error.retry_after)
