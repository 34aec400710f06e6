"""Polling: look up the tasks whose news is due, in batches."""

import asyncio
import logging
import time
from collections import defaultdict

from .. import provider
from ..models import ApiToken, Generation, Verdict
from .record import settle
from .task_lookup import open_secret

logger = logging.getLogger(__name__)

ASK_FOR = 10.0  # seconds of one tick; a provider that hangs must not keep the rest of the sweep
BATCH = 50  # ids in one look-up; the contract's recommended most


def ask() -> int:
    """Look up the tasks whose news is due, in batches, each with the token that made it. Answers how many."""
    due = defaultdict(list)
    for generation in Generation.objects.worth_asking().select_related("token").order_by("ask_at")[:2000]:
        due[generation.token].append(generation)
    end = time.monotonic() + ASK_FOR
    asked = 0
    for token, generations in due.items():
        while generations and time.monotonic() < end:
            batch, generations = generations[:BATCH], generations[BATCH:]
            asked += len(batch)
            if not _ask(token, batch):
                # The others of this token would wait as long for nothing.
                for generation in generations:
                    generation.ask_soon()
                break
    return asked


def _ask(token: ApiToken, generations: list[Generation]) -> bool:
    """Look one batch up and record what is new; False when the provider did not answer."""

    async def look() -> dict[str, provider.Result]:
        async with provider.new_client() as client:
            luma = provider.LumaClient(token.base_url, secret, client=client)
            return await luma.tasks([generation.task_id for generation in generations])

    try:
        secret = open_secret(token)
        results = asyncio.run(look())
    except provider.ProviderError as error:
        logger.warning("token %s: tasks not readable: %s", token.pk, error)
        for generation in generations:
            generation.ask_soon()
        return False
    for generation in generations:
        result = results.get(generation.task_id)
        if result is None or settle(generation, result, "sweep") is Verdict.KNOWN:
            # Given up only on fresh knowledge: after a night asleep the video may well be there.
            given_up = generation.is_overdue and generation.give_up()
            if not given_up:
                generation.asked_in_vain()
    return True
