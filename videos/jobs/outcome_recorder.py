"""Keep what came of a POST until the database has taken it, for as long as that may be.

A task id that is lost is a video that is paid for and not found. So an answer that cannot be recorded within a second
goes to the spool (or, where the disk is full, to the log), and is tried again from memory until it is recorded. What a
worker leaves in the spool is recorded by the next one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.db.models import Q

from lumaweb import logs
from lumaweb.storage_errors import storage_problem

from ..models import Generation, State
from . import spool
from .results import record_result
from .spool import Outcome

logger = logging.getLogger(__name__)

SPOOL_AFTER = 1.0  # seconds of trying
LONGEST_PAUSE = 5.0  # seconds between two tries
TRIES_OF_OURS = 4  # where the database works, and it is this answer that it does not take


class NotRecorded(Exception):
    """The workers are told to stop, and the database has still not taken an answer; the spool or the log has it."""


class OutcomeRecorder:
    """The answers of one drain on their way into the database."""

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        self._is_stopping = is_stopping
        self._held: set[Outcome] = set()

    def __len__(self) -> int:
        return len(self._held)

    async def keep(self, outcome: Outcome, store: Callable[[], object]) -> None:
        """Call `store` until it has worked; raise NotRecorded at a stop, and what `store` raises for other reasons."""
        self._held.add(outcome)
        copy = _Copy(outcome)
        tries_of_ours = 0
        try:
            for pause in _pauses():
                trying = asyncio.ensure_future(sync_to_async(_with_a_good_connection)(store))
                done, _ = await asyncio.wait({trying}, timeout=SPOOL_AFTER)
                if not done:
                    # It waits for a lock. A worker that is killed meanwhile must not take the answer along.
                    copy.make()
                try:
                    await trying
                    break
                except Exception as error:
                    copy.make()
                    if not storage_problem(error):
                        tries_of_ours += 1
                        if tries_of_ours == TRIES_OF_OURS:
                            raise
                if self._is_stopping():
                    copy.make(last=True)
                    raise NotRecorded(str(outcome))
                await asyncio.sleep(pause)
        finally:
            self._held.discard(outcome)
        copy.remove()


def _pauses() -> Iterator[float]:
    """Seconds, without end."""
    pause = 0.5
    while True:
        yield pause
        pause = min(LONGEST_PAUSE, pause * 2)


def _with_a_good_connection(store: Callable[[], object]) -> None:
    close_old_connections()
    store()


class _Copy:
    """The copy of one answer outside of the database: a file, or a line of the log, which is all a full disk leaves."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._is_on_disk = self._is_logged = False

    def make(self, *, last: bool = False) -> None:
        """Make the copy if there is none; at the `last` call the log has it again where the disk is still full."""
        if self._is_on_disk:
            return
        try:
            spool.write(self._outcome)
            self._is_on_disk = True
            logger.warning("%s cannot be recorded yet; a file has it until it is", self._outcome)
        except OSError as error:
            if last or not self._is_logged:
                logger.error("%s: neither the database nor a file takes it (%s). Keep this line.", self._outcome, error)
            self._is_logged = True

    def remove(self) -> None:
        if self._is_on_disk:
            spool.remove(self._outcome)


def recover_spool() -> int:
    """Record what is in the spool; return how many answers that were. What cannot be recorded yet stays there."""
    recovered = 0
    for path in list(spool.pending()):
        try:
            outcome = spool.read(path)
            with logs.for_generation(outcome.uuid):
                record(outcome)
        except FileNotFoundError:
            continue  # its own worker has recorded it
        except Exception as error:
            if storage_problem(error):
                logger.warning("the answers in %s cannot be recorded yet: %s", path.parent, error)
                return recovered
            logger.exception("an answer cannot be recorded and is kept as %s", spool.set_aside(path).name)
            continue
        path.unlink(missing_ok=True)
        recovered += 1
        logger.warning("recorded what an earlier worker could not: %s", outcome)
    return recovered


def record(outcome: Outcome) -> None:
    """Record what came of a POST in a row that is read anew; raise Generation.DoesNotExist."""
    generation = Generation.objects.select_related("token").get(uuid=outcome.uuid)
    if outcome.result:
        record_result(generation, outcome.result, "answer")
    elif _is_still_awaited(generation, outcome):
        refuse(generation, outcome)


def refuse(generation: Generation, outcome: Outcome) -> None:
    """Do to the row and its token what follows from an error."""
    only = Q(attempts=outcome.attempt)
    if outcome.error and outcome.error.task_id:
        generation.refuse_with_task(outcome.error, only)
    elif outcome.error and outcome.next_source:
        generation.next_source(outcome.next_source, outcome.error, only)
    elif outcome.error:
        generation.refuse(outcome.error, only)


def _is_still_awaited(generation: Generation, outcome: Outcome) -> bool:
    """Whether this error is still news: it may have been recorded just before its worker was ended."""
    awaited = generation.state in (State.SUBMITTING, State.UNCONFIRMED)
    return generation.attempts == outcome.attempt and (awaited or bool(outcome.task_id))
