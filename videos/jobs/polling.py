"""Polling: look up the tasks whose news is due, in batches."""

import asyncio
import logging
import random
import time
from collections import defaultdict

from lumaweb.storage_errors import storage_problem

from .. import provider
from ..models import ApiToken, Generation, Health, Verdict, policy
from ..models.generation.polling import REFUSED_AGAIN
from ..models.generation.task_ids import CALLBACK
from .provider_calls import open_secret
from .request_matching import other_owner
from .results import record_result

logger = logging.getLogger(__name__)

ASK_FOR = 10.0  # seconds of one tick; a provider that hangs must not keep the rest of the sweep
BATCH = 50  # ids in one look-up; the contract's recommended most
ROWS_AT_ONCE = 2000
AGAIN_AT_MOST = 60.0  # seconds until a provider is asked again that has not answered
FAULT_AGAIN = 4.0  # seconds until the next look-up of a row whose result raised an error
# Look-ups after which a task that only a callback named, and that its provider does not know, is no task of ours.
UNKNOWN_AFTER = 3

Answer = dict[str, provider.Result] | provider.ProviderError


def poll() -> int:
    """Look up the tasks whose news is due, a batch of each token at a time; return how many rows that were.

    Raises django.db.Error while the database does not work, and at the end an ExceptionGroup of errors in single rows.
    """
    Generation.objects.resume_polling()
    due: dict[ApiToken, list[Generation]] = defaultdict(list)
    for generation in Generation.objects.due_for_polling().select_related("token").order_by("ask_at")[:ROWS_AT_ONCE]:
        due[generation.token].append(generation)
    end = time.monotonic() + ASK_FOR
    asked = 0
    failures: list[Exception] = []
    while due and (left := end - time.monotonic()) > 0:
        batches = {token: rows[:BATCH] for token, rows in due.items()}
        answers = asyncio.run(_look_up(batches, left))
        for (token, batch), answer in zip(batches.items(), answers, strict=True):
            asked += len(batch)
            due[token] = due[token][BATCH:]
            if isinstance(answer, provider.ProviderError):
                # The others of this token would wait as long for nothing.
                due[token] = []
                _put_off(token, answer)
            else:
                failures += _take_in(batch, answer)
        due = {token: rows for token, rows in due.items() if rows}
    if failures:
        raise ExceptionGroup("results of look-ups could not be recorded", failures)
    return asked


async def _look_up(batches: dict[ApiToken, list[Generation]], seconds: float) -> list[Answer]:
    """Look one batch up with each token, all at once, so that no provider waits for another that hangs."""
    async with provider.new_client() as client:

        async def look(token: ApiToken, batch: list[Generation]) -> Answer:
            try:
                luma = provider.LumaClient(token.base_url, open_secret(token), client=client)
                async with asyncio.timeout(seconds):
                    return await luma.tasks([generation.task_id for generation in batch])
            except provider.ProviderError as error:
                return error
            except TimeoutError:
                return provider.ProviderError("no_answer", f"No answer to a look-up within {seconds:.0f} s.")

        return await asyncio.gather(*(look(token, batch) for token, batch in batches.items()))


def _put_off(token: ApiToken, error: provider.ProviderError) -> None:
    """Look up later whatever is due with this token, in one UPDATE; disable a token that is refused, and say so."""
    logger.warning("token %s: tasks not readable: %s", token.pk, error)
    seconds = min(error.retry_after or random.uniform(3, 6), AGAIN_AT_MOST)
    rule = policy.rule_for(error)
    if rule.token in Health.values and error.sent is not provider.Sent.MAYBE:
        token.disable(Health(rule.token), f"{rule.admin} ({error.code}: {error.message})")
        if rule.token == Health.INVALID:
            Generation.objects.note_refused_token(token)
            seconds = REFUSED_AGAIN
    Generation.objects.due_for_polling().filter(token=token).postpone_polling(seconds)


def _take_in(batch: list[Generation], results: dict[str, provider.Result]) -> list[Exception]:
    """Record the results; return the errors, so that one row does not delay the others."""
    failures = []
    for generation in batch:
        try:
            _take_one_in(generation, results.get(generation.task_id))
        except Exception as error:
            if storage_problem(error):
                raise
            error.add_note(f"Generation {generation.uuid}.")
            failures.append(error)
            # Soon enough that each round reports the error while it lasts.
            Generation.objects.filter(pk=generation.pk).postpone_polling(FAULT_AGAIN)
    return failures


def _take_one_in(generation: Generation, result: provider.Result | None) -> None:
    if result is not None and (owner := other_owner(generation, result)):
        logger.warning("generation %s: its task is that of generation %s", generation.uuid, owner.uuid)
        if generation.forget_task(f"Its request shows that it is the task of generation {owner.uuid}.", proven=True):
            if owner.task_id:
                owner.forget_task(f"Its task is {result.task_id}, as the request of that shows.")
            record_result(owner, result, "sweep")
            return
    if result is not None and record_result(generation, result, "sweep") is Verdict.RECORDED:
        return
    unknown = result is None and generation.task_via == CALLBACK and generation.asked >= UNKNOWN_AFTER
    if unknown and generation.forget_task("The provider knows no such task, which only a callback had named."):
        return
    # Given up only on fresh knowledge: after a night asleep the video may well be there.
    if not (generation.is_overdue and generation.give_up()):
        generation.schedule_next_poll()
