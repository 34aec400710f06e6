"""The sweep: repair what a lost wake-up, a lost callback or a lost worker left behind."""

import logging
from functools import partial

from django.db import transaction

from lumaweb.storage_errors import problem_of

from ..models import ApiToken, Frame, Generation, Heartbeat, Leftover, UploadedFrame, usage
from ..models.state import SUBMITTING_AT_MOST
from .probe import probe_tokens
from .queue import MEDIA, archive_later, submit_later, waiting_calls
from .submit import more_to_send
from .watch import Watch

logger = logging.getLogger(__name__)

SAVES_AT_ONCE = 200  # that are asked for in one sweep


# The ticker's own time, in seconds, in which a task that cannot be looked up was seen past all patience.
HOPELESS_AFTER = 1800.0


def sweep(watch: Watch | None = None) -> None:
    """Repair what a lost wake-up, a lost callback or a lost worker left behind. One at a time, by the ticker's lease.

    With a `watch` the ticker's own time decides what is lost, and not the clock. One step that fails keeps no other
    from being taken; an ExceptionGroup tells of them at the end, or django.db.Error at once while the database is away.
    """
    failures = []
    for step in (
        partial(doubt_interrupted, watch),
        partial(give_up_hopeless, watch),
        ask_to_save,
        empty_trash,
        Heartbeat.objects.forget_the_gone,
        ApiToken.objects.recount_sending,
        wake,
        usage.roll_up,
    ):
        try:
            step()
        except Exception as error:
            if problem_of(error):
                raise
            failures.append(error)
    if failures:
        raise ExceptionGroup("steps of the sweep failed", failures)


def doubt_interrupted(watch: Watch | None = None) -> None:
    """Doubt what a worker was sending that is gone."""
    if watch is None:
        lost = list(Generation.objects.stuck_submitting())
    else:
        rows = {(row.pk, row.attempts, row.submitted_at): row for row in Generation.objects.submitting()}
        seconds = watch.seen_for("submitting", rows)
        lost = [row for key, row in rows.items() if seconds[key] > SUBMITTING_AT_MOST.total_seconds()]
    for generation in lost:
        if not generation.upload_interrupted():
            generation.interrupted()


def give_up_hopeless(watch: Watch | None = None) -> None:
    """Give up what has had no end for a day after all patience, and cannot be looked up."""
    rows = {row.pk: row for row in Generation.objects.overdue()}
    if watch is not None:
        seconds = watch.seen_for("overdue", rows)
        rows = {pk: row for pk, row in rows.items() if seconds[pk] > HOPELESS_AFTER}
    for generation in rows.values():
        generation.give_up()


def ask_to_save() -> None:
    """Wake the saving of what is due; while nobody saves, the queue is not to grow with each sweep."""
    try:
        room = SAVES_AT_ONCE - waiting_calls()[MEDIA]
    except Exception:  # each broker has its own
        logger.warning("the queue does not answer, so nothing is saved now", exc_info=True)
        return
    for pk in Generation.objects.worth_saving().values_list("pk", flat=True)[: max(0, room)]:
        archive_later(pk)


def empty_trash() -> None:
    """Delete for good what was in the trash long enough, and the files that nothing names any more."""
    for generation in Generation.objects.worth_purging()[:200]:
        generation.purge()
    with transaction.atomic():
        unused = list(Frame.objects.unused().values_list("pk", flat=True)[:200])
        Frame.objects.filter(pk__in=unused).let_go()
    UploadedFrame.objects.forget_expired()
    remove_leftovers()


def remove_leftovers() -> None:
    for leftover in Leftover.objects.order_by("pk")[:1000]:
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
    if more_to_send():
        submit_later()
