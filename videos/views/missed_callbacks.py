"""Callbacks that arrive while nothing can be stored: they get 503, and their tasks are looked up once storage works."""

import logging
import os
import threading
from dataclasses import dataclass
from uuid import UUID

from django.db import connections

from lumaweb.storage_errors import storage_problem

from .. import provider
from ..jobs.results import record_result
from ..models import Generation

logger = logging.getLogger(__name__)

LIMIT = 1_000  # for each process: anybody can send callbacks while their keys cannot be checked
RETRY_EVERY = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Missed:
    """What is kept of a callback; its key is checked once the generation can be read."""

    uuid: UUID
    key: str
    task_id: str


class MissedCallbacks:
    """The missed callbacks of this process, and the thread that handles them while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[UUID, str], Missed] = {}
        self._pid = 0  # of the process whose thread runs: a fork does not inherit it

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, missed: Missed) -> None:
        """Look this task up as soon as storage works. At the limit drop it; the regular look-up finds it later."""
        with self._lock:
            if len(self._waiting) >= LIMIT:
                logger.warning("generation %s: too many missed callbacks, this one is dropped", missed.uuid)
                return
            known = self._waiting.get((missed.uuid, missed.key))
            if not known or missed.task_id:
                self._waiting[missed.uuid, missed.key] = missed
            if self._pid != os.getpid():
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="missed-callbacks", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(RETRY_EVERY)
            try:
                self.handle_all()
            finally:
                connections.close_all()  # this thread's own
            with self._lock:
                if not self._waiting:
                    self._pid = 0
                    return

    def handle_all(self) -> None:
        """Schedule a look-up for every missed callback and keep task ids that are new; stop while storage fails."""
        for key, missed in list(self._waiting.items()):
            try:
                _look_up(missed)
            except Exception as error:
                if storage_problem(error):
                    return
                # The others, and the regular look-up, continue.
                logger.exception("generation %s: its missed callback cannot be handled", missed.uuid)
            with self._lock:
                self._waiting.pop(key, None)


def _look_up(missed: Missed) -> None:
    generation = Generation.objects.only(*Generation.CALLBACK_FIELDS).filter(uuid=missed.uuid).order_by().first()
    if generation is None or not generation.opens_with(missed.key):
        return
    if missed.task_id and not generation.task_id:
        record_result(generation, provider.Result(task_id=missed.task_id), "callback")
    Generation.objects.filter(pk=generation.pk).poll_now()


missed_callbacks = MissedCallbacks()
