"""Poll the provider: look up the tasks that are due, in batches."""

import logging
import random
import time
from collections import defaultdict

from lumaweb.storage_errors import storage_problem

from .. import provider
from ..models import ApiToken, Generation, Health, Verdict, policy
from ..models.generation.polling_queryset import REFUSED_AGAIN
from ..models.generation.task_ids import CALLBACK
from .provider_calls import Call, call_providers
from .request_matching import other_owner
from .results import record_result

logger = logging.getLogger(__name__)

POLL_SECONDS = 10.0  # of one tick, so that a provider that hangs does not delay the rest of the sweep
BATCH = 50  # ids in one look-up; the contract's recommended maximum
MAX_ROWS = 2000
MAX_POSTPONEMENT = 60.0  # seconds, after a provider did not answer
RETRY_FAULT_AFTER = 4.0  # seconds until the next look-up of a row whose result raised an error
# Look-ups after which a task that only a callback named, and that the provider does not know, is not ours.
UNKNOWN_AFTER = 3

Results = dict[str, provider.Result]


def poll() -> int:
    """Look up the tasks that are due, one batch of each token at a time; return how many rows were looked up.

    Raises django.db.Error while the database does not work, and at the end an ExceptionGroup of errors in single rows.
    """
    Generation.objects.resume_polling()
    due: dict[ApiToken, list[Generation]] = defaultdict(list)
    for generation in Generation.objects.due_for_polling().select_related("token").order_by("next_poll_at")[:MAX_ROWS]:
        if generation.token:
            due[generation.token].append(generation)
    deadline = time.monotonic() + POLL_SECONDS
    polled = 0
    failures: list[Exception] = []
    while due and (remaining := deadline - time.monotonic()) > 0:
        batches = {token: rows[:BATCH] for token, rows in due.items()}
        answers = call_providers([(token, _look_up(batch)) for token, batch in batches.items()], remaining)
        for (token, batch), answer in zip(batches.items(), answers, strict=True):
            polled += len(batch)
            due[token] = due[token][BATCH:]
            if isinstance(answer, provider.ProviderError):
                # Skip this token's other batches: each would wait as long.
                due[token] = []
                _postpone(token, answer)
            else:
                failures += _record_batch(batch, answer)
        due = {token: rows for token, rows in due.items() if rows}
    if failures:
        raise ExceptionGroup("results of look-ups could not be recorded", failures)
    return polled


def _look_up(batch: list[Generation]) -> Call[Results]:
    ids = [generation.task_id for generation in batch]
    return lambda luma: luma.tasks(ids)


def _postpone(token: ApiToken, error: provider.ProviderError) -> None:
    """Postpone all look-ups that are due with this token, in one UPDATE; disable a token that was refused."""
    logger.warning("token %s: tasks not readable: %s", token.pk, error)
    seconds = min(error.retry_after or random.uniform(3, 6), MAX_POSTPONEMENT)
    rule = policy.rule_for(error)
    if rule.token_effect in Health.values and error.sent is not provider.Sent.MAYBE:
        token.disable(Health(rule.token_effect), f"{rule.for_admins} ({error.code}: {error.message})")
        if rule.token_effect == Health.INVALID:
            Generation.objects.mark_token_refused(token)
            seconds = REFUSED_AGAIN
    Generation.objects.due_for_polling().filter(token=token).postpone_polling(seconds)


def _record_batch(batch: list[Generation], results: Results) -> list[Exception]:
    """Record the results; return the errors, so that one row does not delay the others."""
    failures = []
    for generation in batch:
        try:
            _record_one(generation, results.get(generation.task_id))
        except Exception as error:
            if storage_problem(error):
                raise
            error.add_note(f"Generation {generation.uuid}.")
            failures.append(error)
            # Soon enough that each round reports the error while it lasts.
            Generation.objects.filter(pk=generation.pk).postpone_polling(RETRY_FAULT_AFTER)
    return failures


def _record_one(generation: Generation, result: provider.Result | None) -> None:
    if result is not None and (owner := other_owner(generation, result)):
        logger.warning("generation %s: its task is that of generation %s", generation.uuid, owner.uuid)
        if generation.forget_task(f"Its request shows that it is the task of generation {owner.uuid}.", proven=True):
            if owner.task_id:
                owner.forget_task(f"Its task is {result.task_id}, as the request of that shows.")
            record_result(owner, result, "sweep")
            return
    if result is not None and record_result(generation, result, "sweep") is Verdict.RECORDED:
        return
    unknown = result is None and generation.task_id_channel == CALLBACK and generation.poll_count >= UNKNOWN_AFTER
    if unknown and generation.forget_task("The provider knows no such task, which only a callback had named."):
        return
    # Give up only after a look-up: when the machine wakes after a night, the video may well be there.
    if not (generation.is_overdue and generation.give_up()):
        generation.schedule_next_poll()
