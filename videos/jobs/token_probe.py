"""Probe tokens that were paused for doubtful answers: a free look-up, before another request is risked."""

import asyncio
import logging
import uuid

from .. import provider
from ..models import ApiToken, Health, policy
from .provider_calls import open_secret

logger = logging.getLogger(__name__)

PROBE_FOR = 8.0  # seconds; the ticker waits for it
AGAIN_AFTER = 20.0  # seconds, when the process that probes dies


def probe_tokens() -> None:
    """Look up a task that does not exist with each token whose pause is over, all at once."""
    tokens = [token for token in ApiToken.objects.awaiting_look_up() if token.begin_probe(AGAIN_AFTER)]
    if tokens:
        for token, error in zip(tokens, asyncio.run(_look_up(tokens)), strict=True):
            _note(token, error)


async def _look_up(tokens: list[ApiToken]) -> list[provider.ProviderError | None]:
    async with provider.new_client() as client:
        return await asyncio.gather(*(_answer(token, client) for token in tokens))


async def _answer(token: ApiToken, client) -> provider.ProviderError | None:
    """Return what keeps the provider from answering a look-up with this token; None if it answers."""
    try:
        luma = provider.LumaClient(token.base_url, open_secret(token), client=client)
        async with asyncio.timeout(PROBE_FOR):
            await luma.task(str(uuid.uuid4()))
    except provider.ProviderError as error:
        return error
    except TimeoutError:
        return provider.ProviderError("no_answer", f"No answer to a look-up within {PROBE_FOR:.0f} s.")
    return None


def _note(token: ApiToken, error: provider.ProviderError | None) -> None:
    if error is None:
        logger.info("token %s: the provider answers look-ups again; one request is sent next", token.pk)
        token.passed_look_up()
        return
    rule = policy.rule_for(error)
    because = f"{rule.admin} ({error.code}: {error.message})"
    logger.warning("token %s: not used yet, a look-up failed: %s", token.pk, error)
    if rule.token in Health.values:
        token.disable(Health(rule.token), because)
    else:
        token.failed_look_up(because, seconds=error.retry_after)
