"""The sweep: repair what a lost wake-up, a lost callback or a lost worker left behind."""

import logging

from django.db import transaction

from ..models import Frame, Generation, Heartbeat, Leftover, UploadedFrame, usage
from .queue import MEDIA, archive_later, submit_later, waiting_calls
from .submit import more_to_send

logger = logging.getLogger(__name__)

SAVES_AT_ONCE = 200  # that are asked for in one sweep


def sweep() -> None:
    """Mend what a lost wake-up, a lost callback or a lost worker left behind. One at a time, by the ticker's lease."""
    for generation in Generation.objects.stuck_submitting():
        if not generation.upload_interrupted():
            generation.interrupted()
    for generation in Generation.objects.overdue():
        generation.give_up()
    ask_to_save()
    empty_trash()
    Heartbeat.objects.forget_the_gone()
    wake()
    usage.roll_up()


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
    """Have sent what waits: a token's rest is over, or the wake-up was lost with its worker."""
    if more_to_send():
        submit_later()
