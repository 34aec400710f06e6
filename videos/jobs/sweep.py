"""The sweep: repair what a lost wake-up, a lost callback or a lost worker left behind."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.contrib.sessions.backends.db import SessionStore
from django.db import Error, transaction

from lumaweb.storage_errors import storage_problem

from ..models import (
    ApiToken,
    AuditEntry,
    Frame,
    Generation,
    Heartbeat,
    OrphanedFile,
    StoragePolicy,
    UploadedFrame,
)
from ..models.state import SUBMITTING_AT_MOST
from ..reports import rollup_pass
from .age_tracker import AgeTracker
from .broker_errors import BrokerUnavailable
from .queue import MEDIA_CLUSTER, enqueue_archive, enqueue_drain, queue_sizes
from .submit import has_sendable
from .ticker_steps import Step
from .token_probe import probe_tokens

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_QUEUED_SAVES = 200
MAX_ROWS = 200  # of one step in one sweep
MAX_ORPHANED_FILES = 1000
# Seconds for which the ticker must have seen a task that cannot be looked up past every deadline.
GIVE_UP_AFTER = 1800.0


def steps(ages: AgeTracker | None = None, drain_here: Callable[[], None] | None = None) -> list[Step]:
    """Return the steps of a sweep. Without `ages` the system clock decides what is lost; `drain_here`: see `wake`."""
    return [
        Step("interrupted requests", lambda: mark_interrupted(ages)),
        Step("hopeless tasks", lambda: give_up_overdue(ages)),
        Step("savings", enqueue_saves),
        Step("rejected videos", trash_rejected),
        Step("trash", empty_trash),
        Step("frames", delete_unused_frames),
        Step("orphaned files", remove_orphaned_files),
        Step("heartbeats", Heartbeat.objects.delete_stale),
        Step("expired sessions", SessionStore.clear_expired),
        Step("token counts", ApiToken.objects.recount_sending),
        Step("wake-ups", lambda: wake(drain_here)),
        Step("usage", rollup_pass.roll_up),
    ]


def sweep(ages: AgeTracker | None = None) -> None:
    """Run all steps once; raise an ExceptionGroup of their failures after the last one.

    Raises django.db.Error at once while the database does not work.
    """
    _for_each(steps(ages), lambda step: step.run())


def _for_each(items: Iterable[T], act: Callable[[T], object]) -> None:
    """Act on each item, and raise an ExceptionGroup of the failures at the end.

    Raises django.db.Error at once while the database does not work.
    """
    failures = []
    for item in items:
        try:
            act(item)
        except Exception as error:
            if isinstance(error, Error) and storage_problem(error):
                raise
            failures.append(error)
    if failures:
        raise ExceptionGroup("some steps or rows failed", failures)


def mark_interrupted(ages: AgeTracker | None = None) -> None:
    """Return the requests of lost workers to the queue if they were not sent, else mark their outcome as unknown."""
    if ages is None:
        lost = list(Generation.objects.stuck_submitting())
    else:
        rows = {(row.pk, row.attempts, row.submitted_at): row for row in Generation.objects.submitting()}
        seconds = ages.ages("submitting", rows)
        lost = [row for key, row in rows.items() if seconds[key] > SUBMITTING_AT_MOST.total_seconds()]
    _for_each(lost, lambda generation: generation.requeue_interrupted_upload() or generation.mark_interrupted())


def give_up_overdue(ages: AgeTracker | None = None) -> None:
    """Give up tasks that are long past their deadline and cannot be looked up."""
    rows = {row.pk: row for row in Generation.objects.overdue()}
    if ages is not None:
        seconds = ages.ages("overdue", rows)
        rows = {pk: row for pk, row in rows.items() if seconds[pk] > GIVE_UP_AFTER}
    _for_each(rows.values(), lambda generation: generation.give_up())


def enqueue_saves() -> None:
    """Enqueue the saves that are due, up to a limit: while no worker saves, the queue must not grow.

    Raises BrokerUnavailable.
    """
    room = MAX_QUEUED_SAVES - queue_sizes()[MEDIA_CLUSTER]
    for pk in Generation.objects.worth_saving().values_list("pk", flat=True)[: max(0, room)]:
        enqueue_archive(pk)


def empty_trash() -> None:
    """Delete permanently what has been in the trash long enough."""
    _for_each(
        Generation.objects.worth_purging(StoragePolicy.current())[:MAX_ROWS], lambda generation: generation.purge()
    )


def trash_rejected() -> None:
    """Move long rejected videos that nobody needs to the trash, if an admin has set this rule."""
    policy = StoragePolicy.begin_rejected_check()
    if not policy or not (before := policy.rejected_before()):
        return
    rows = list(Generation.objects.disposable(before)[:MAX_ROWS])
    moved = sum(generation.trash_rejected(before) for generation in rows)
    if len(rows) == MAX_ROWS:
        policy.check_rejected_again()
    if moved:
        videos = "1 video" if moved == 1 else f"{moved} videos"
        AuditEntry.objects.record(
            None,
            f"Moved {videos} to the trash by the storage rule: rejected more than {policy.rejected_days} days ago.",
        )


def delete_unused_frames() -> None:
    """Delete frames that nothing uses, and records of uploads that have expired."""
    with transaction.atomic():
        unused = list(Frame.objects.unused().values_list("pk", flat=True)[:MAX_ROWS])
        Frame.objects.filter(pk__in=unused).release()
    UploadedFrame.objects.forget_expired()


def remove_orphaned_files() -> None:
    """Delete files that no row names any more."""
    for orphan in OrphanedFile.objects.order_by("pk")[:MAX_ORPHANED_FILES]:
        try:
            orphan.remove()
        except OSError as error:
            # Its row stays, so the next sweep tries again.
            logger.warning("file %s cannot be removed: %s", orphan.file.name, error)
            if isinstance(error, ConnectionError):
                return  # the object storage does not answer, and each other file would wait as long


def wake(drain_here: Callable[[], None] | None = None) -> None:
    """Start a drain if there is something to send: a token's pause is over, or a wake-up was lost with its worker.

    `drain_here` starts one in this process if the broker does not work. Raises BrokerUnavailable also then.
    """
    probe_tokens()
    if has_sendable():
        try:
            enqueue_drain(robust=False)
        except BrokerUnavailable:
            if drain_here:
                drain_here()
            raise
