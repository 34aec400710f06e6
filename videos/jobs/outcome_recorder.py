"""Record the outcome of every POST, however long the database is unavailable.

If a task id is lost, a video is paid for and never found. So an outcome that cannot be recorded within a second is
written to the spool (or, if the disk is full, to the log) and retried until it is recorded. The next worker records
what a killed worker leaves in the spool.
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
from .outcome import Outcome
from .results import record_result

logger = logging.getLogger(__name__)

SPOOL_AFTER = 1.0  # seconds of trying
MAX_PAUSE = 5.0  # seconds between two attempts
MAX_FAULTS = 4  # attempts that failed although the database works


class NotRecorded(Exception):
    """The workers were told to stop before the database accepted an outcome; the spool or the log has it."""


class OutcomeRecorder:
    """Records the outcomes of one drain."""

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        self._is_stopping = is_stopping
        self._pending: set[Outcome] = set()

    def __len__(self) -> int:
        """Return the number of outcomes that are not recorded yet."""
        return len(self._pending)

    async def record(self, outcome: Outcome, store: Callable[[], object]) -> None:
        """Call `store` until it succeeds.

        Raises NotRecorded when the workers stop, and what `store` raises while the database works.
        """
        self._pending.add(outcome)
        copy = _SafetyCopy(outcome)
        faults = 0
        try:
            for pause in _pauses():
                attempt = asyncio.ensure_future(sync_to_async(_with_working_connection)(store))
                done, _ = await asyncio.wait({attempt}, timeout=SPOOL_AFTER)
                if not done:
                    # It waits for a lock. If the worker is killed meanwhile, the outcome must survive.
                    copy.make()
                try:
                    await attempt
                    break
                except Exception as error:
                    copy.make()
                    if not storage_problem(error):
                        faults += 1
                        if faults == MAX_FAULTS:
                            raise
                if self._is_stopping():
                    copy.make(last=True)
                    raise NotRecorded(str(outcome))
                await asyncio.sleep(pause)
        finally:
            self._pending.discard(outcome)
        copy.remove()


def _pauses() -> Iterator[float]:
    """Yield growing pauses in seconds, without end."""
    pause = 0.5
    while True:
        yield pause
        pause = min(MAX_PAUSE, pause * 2)


def _with_working_connection(store: Callable[[], object]) -> None:
    close_old_connections()
    store()


class _SafetyCopy:
    """A copy of one outcome in the spool or, if the disk is full, in the log."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._is_on_disk = self._is_logged = False

    def make(self, *, last: bool = False) -> None:
        """Make the copy once; while the disk is full, log it at the first and the `last` call."""
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
    """Record the outcomes in the spool and return their number; leave there what cannot be recorded yet."""
    recovered = 0
    for path in list(spool.pending()):
        try:
            outcome = spool.read(path)
            with logs.for_generation(outcome.uuid):
                record_outcome(outcome)
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


def record_outcome(outcome: Outcome) -> None:
    """Record an outcome in the current row; raise Generation.DoesNotExist."""
    generation = Generation.objects.select_related("token").get(uuid=outcome.uuid)
    if outcome.result:
        record_result(generation, outcome.result, "answer")
    elif _is_awaited(generation, outcome):
        record_error(generation, outcome)


def record_error(generation: Generation, outcome: Outcome) -> None:
    """Apply the outcome's error to the row and its token."""
    same_claim = Q(attempts=outcome.attempt)
    if outcome.error and outcome.error.task_id:
        generation.refuse_with_task(outcome.error, same_claim)
    elif outcome.error and outcome.next_source:
        generation.next_source(outcome.next_source, outcome.error, same_claim)
    elif outcome.error:
        generation.refuse(outcome.error, same_claim)


def _is_awaited(generation: Generation, outcome: Outcome) -> bool:
    """Tell whether this error is still news: its worker may have recorded it just before it was killed."""
    is_open = generation.state in (State.SUBMITTING, State.UNCONFIRMED)
    return generation.attempts == outcome.attempt and (is_open or bool(outcome.task_id))
