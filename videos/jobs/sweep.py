"""The sweep: repair what a lost wake-up, a lost callback or a lost worker left behind."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.db import Error, transaction

from lumaweb.storage_errors import storage_problem

from ..models import ApiToken, Frame, Generation, Heartbeat, OrphanedFile, UploadedFrame
from ..models.state import SUBMITTING_AT_MOST
from ..reports import rollup_pass
from .age_tracker import AgeTracker
from .queue import MEDIA_CLUSTER, enqueue_archive, enqueue_drain, queue_sizes
from .submit import has_sendable
from .ticker_steps import Step
from .token_probe import probe_tokens

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_QUEUED_SAVES = 200  # that are asked for in one sweep


# The ticker's own time, in seconds, in which a task that cannot be looked up was seen past all patience.
GIVE_UP_AFTER = 1800.0


def steps(watch: AgeTracker | None = None) -> list[Step]:
    """List what repairs whatever a lost wake-up, a lost callback or a lost worker left behind.

    With a `watch` the ticker's own time decides what is lost, and not the clock.
    """
    return [
        Step("interrupted requests", lambda: mark_interrupted(watch)),
        Step("hopeless tasks", lambda: give_up_overdue(watch)),
        Step("savings", enqueue_saves),
        Step("trash", empty_trash),
        Step("frames", delete_unused_frames),
        Step("orphaned files", remove_orphaned_files),
        Step("heartbeats", Heartbeat.objects.delete_stale),
        Step("token counts", ApiToken.objects.recount_sending),
        Step("wake-ups", wake),
        Step("usage", rollup_pass.roll_up),
    ]


def sweep(watch: AgeTracker | None = None) -> None:
    """Run all steps once; raise an ExceptionGroup of what failed after the last one.

    Raises django.db.Error at once while the database does not work.
    """
    _each(steps(watch), lambda step: step.run())


def _each(things: Iterable[T], act: Callable[[T], object]) -> None:
    """Act on each, whatever the others raise, and raise an ExceptionGroup of that at the end.

    Raises django.db.Error at once while the database does not work.
    """
    failures = []
    for thing in things:
        try:
            act(thing)
        except Exception as error:
            if isinstance(error, Error) and storage_problem(error):
                raise
            failures.append(error)
    if failures:
        raise ExceptionGroup("some steps or rows failed", failures)


def mark_interrupted(watch: AgeTracker | None = None) -> None:
    """Doubt what a worker was sending that is gone."""
    if watch is None:
        lost = list(Generation.objects.stuck_submitting())
    else:
        rows = {(row.pk, row.attempts, row.submitted_at): row for row in Generation.objects.submitting()}
        seconds = watch.ages("submitting", rows)
        lost = [row for key, row in rows.items() if seconds[key] > SUBMITTING_AT_MOST.total_seconds()]
    _each(lost, lambda generation: generation.upload_interrupted() or generation.interrupted())


def give_up_overdue(watch: AgeTracker | None = None) -> None:
    """Give up what has had no end for a day after all patience, and cannot be looked up."""
    rows = {row.pk: row for row in Generation.objects.overdue()}
    if watch is not None:
        seconds = watch.ages("overdue", rows)
        rows = {pk: row for pk, row in rows.items() if seconds[pk] > GIVE_UP_AFTER}
    _each(rows.values(), lambda generation: generation.give_up())


def enqueue_saves() -> None:
    """Wake the saving of what is due; while nobody saves, the queue must not grow with each sweep.

    Raises what the broker raises where it does not answer.
    """
    room = MAX_QUEUED_SAVES - queue_sizes()[MEDIA_CLUSTER]
    for pk in Generation.objects.worth_saving().values_list("pk", flat=True)[: max(0, room)]:
        enqueue_archive(pk)


def empty_trash() -> None:
    """Delete permanently what was in the trash long enough."""
    _each(Generation.objects.worth_purging()[:200], lambda generation: generation.purge())


def delete_unused_frames() -> None:
    """Delete the frames that nothing uses, and what is known of uploads that have expired."""
    with transaction.atomic():
        unused = list(Frame.objects.unused().values_list("pk", flat=True)[:200])
        Frame.objects.filter(pk__in=unused).release()
    UploadedFrame.objects.forget_expired()


def remove_orphaned_files() -> None:
    for leftover in OrphanedFile.objects.order_by("pk")[:1000]:
        try:
            leftover.remove()
        except OSError as error:
            # It stays noted; the next sweep tries again.
            logger.warning("file %s cannot be removed: %s", leftover.file.name, error)
            if isinstance(error, ConnectionError):
                return  # an object storage that is silent, and each of the others would wait for it as long


def wake() -> None:
    """Have sent what waits: a token's pause is over, or the wake-up was lost with its worker."""
    probe_tokens()
    if has_sendable():
        enqueue_drain(robust=False)
