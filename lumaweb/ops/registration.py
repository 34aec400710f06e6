"""Keep the row of this machine up to date while `serve` runs."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from django.db import DatabaseError, connections

from lumaweb.storage_errors import storage_problem
from videos.models import Machine
from videos.models.machine import REGISTER_EVERY

logger = logging.getLogger(__name__)


@contextmanager
def registered(parts: Sequence[str]) -> Iterator[None]:
    """Register this machine, renew it in a thread during the block, and unregister it at the end."""
    stopping = threading.Event()
    thread = threading.Thread(target=_renew, args=[list(parts), stopping], name="registration", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        # A database that hangs must not delay the stop; the row then expires.
        thread.join(timeout=1.0)


def _renew(parts: list[str], stopping: threading.Event) -> None:
    while True:
        _try(lambda: Machine.objects.register(parts))
        if stopping.wait(REGISTER_EVERY):
            _try(lambda: Machine.objects.unregister(parts))
            return


def _try(change: Callable[[], object]) -> None:
    try:
        change()
    except DatabaseError as error:
        # The next round tries again, and other processes report the database.
        logger.warning("this machine is not registered: %s", storage_problem(error) or type(error).__name__)
    finally:
        connections.close_all()
