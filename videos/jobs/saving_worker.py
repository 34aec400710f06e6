"""The worker's side of a saving: its name and lease, and the detection of files that stop workers."""

import logging
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection

from ..models import Generation, Heartbeat, Lease
from ..models.generation.saving import READING
from .queue import MEDIA_CLUSTER

logger = logging.getLogger(__name__)

SAVING_LEASE = 60.0  # seconds after which another worker may take over a saving whose worker is silent
SUSPECT_LEASE = "a file that may stop workers"  # name in the database


def worker_name() -> str:
    """Name this process: its machine, its parent process, and its own process id."""
    return f"{Heartbeat.name_here(MEDIA_CLUSTER)}/{os.getppid()}/{os.getpid()}"


def was_stopped_by_file(name: str) -> bool:
    """Tell whether the file most likely stopped the worker of this name, which did not finish its saving.

    It did if the worker died while it read the file. If the worker died at another step, the file is suspected unless
    all workers of the machine ended together, as they do at a restart or a power cut.
    """
    if not name:
        return False
    machine, parent, pid = name.removesuffix(READING).rsplit("/", 2)
    this_machine, this_parent, _ = worker_name().rsplit("/", 2)
    if machine != this_machine:
        return True  # its processes cannot be seen from here, and its lease has expired
    if _is_running(int(pid)):
        return False  # it could not record its result
    return name.endswith(READING) or parent == this_parent


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def suspects_one_by_one(generation: Generation) -> Iterator[bool]:
    """Save suspected files one at a time; yield False, and postpone this one, while another is being saved.

    If two suspected files were saved side by side, one could stop both workers, and both would stay suspected.
    """
    if not generation.archive_deaths:
        yield True
        return
    if not Lease.objects.acquire(SUSPECT_LEASE, worker_name(), SAVING_LEASE):
        generation.postpone_saving(random.uniform(5, 15))
        yield False
        return
    try:
        yield True
    finally:
        Lease.objects.release(SUSPECT_LEASE, worker_name())


@contextmanager
def kept_lease(generation: Generation) -> Iterator[None]:
    """Renew the lease of a saving and this worker's heartbeat from a thread while the block runs.

    Download, decoding and an upload to a bucket may all be slow. The queue's time limit ends a worker that hangs.
    """
    done = threading.Event()

    def renew() -> None:
        while not done.wait(SAVING_LEASE / 4):
            try:
                generation.renew_saving_lease(SAVING_LEASE)
                if generation.archive_deaths:
                    Lease.objects.acquire(SUSPECT_LEASE, worker_name(), SAVING_LEASE)
                Heartbeat.stamp(MEDIA_CLUSTER)
            except DatabaseError:
                logger.warning("generation %s: the lease of its saving was not renewed", generation.uuid, exc_info=True)
            finally:
                connection.close()  # each thread has its own connection

    thread = threading.Thread(target=renew, daemon=True, name="still-saving")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def marked_as_reading(generation: Generation) -> Iterator[None]:
    """Mark in the row that this worker reads the file. The mark stays if the worker dies or is ended."""
    _mark_reading(generation, True)
    try:
        yield
    except Exception:
        _mark_reading(generation, False)
        raise
    _mark_reading(generation, False)


def _mark_reading(generation: Generation, reading: bool) -> None:
    try:
        generation.mark_reading(reading)
    except DatabaseError:
        # The download is worth more than the mark, which matters only if this worker dies.
        logger.warning("generation %s: cannot note that its file is read", generation.uuid, exc_info=True)
