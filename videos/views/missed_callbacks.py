"""Callbacks that came while nothing could be stored: answered 503, and their tasks looked up once storage works."""

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

LIMIT = 1_000  # notes of one process: anybody can send callbacks while their keys cannot be checked
RETRY_EVERY = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Missed:
    """What is kept of one callback; the key is checked when it can be, and its hash is what has to match."""

    uuid: UUID
    key: str
    task_id: str


class MissedCallbacks:
    """The notes of this process, and the thread that acts on them while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: dict[tuple[UUID, str], Missed] = {}
        self._pid = 0  # of the process whose thread runs: a fork does not inherit it

    def __len__(self) -> int:
        return len(self._notes)

    def note(self, missed: Missed) -> None:
        """Look this task up as soon as storage works; a full memory drops it, and the usual look-up finds it later."""
        with self._lock:
            if len(self._notes) >= LIMIT:
                logger.warning("generation %s: its missed callback is not noted, as there are too many", missed.uuid)
                return
            known = self._notes.get((missed.uuid, missed.key))
            if not known or missed.task_id:
                self._notes[missed.uuid, missed.key] = missed
            if self._pid != os.getpid():
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="missed-callbacks", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(RETRY_EVERY)
            try:
                self.act()
            finally:
                connections.close_all()  # this thread's own
            with self._lock:
                if not self._notes:
                    self._pid = 0
                    return

    def act(self) -> None:
        """Have every noted task looked up now, and keep the task ids that nobody has; stop while storage is away."""
        for place, missed in list(self._notes.items()):
            try:
                _look_up(missed)
            except Exception as error:
                if storage_problem(error):
                    return
                # Of this one: the others, and the usual look-up, go on.
                logger.exception("generation %s: its missed callback cannot be acted on", missed.uuid)
            with self._lock:
                self._notes.pop(place, None)


def _look_up(missed: Missed) -> None:
    generation = Generation.objects.only(*Generation.CALLBACK_FIELDS).filter(uuid=missed.uuid).order_by().first()
    if generation is None or not generation.opens_with(missed.key):
        return
    if missed.task_id and not generation.task_id:
        record_result(generation, provider.Result(task_id=missed.task_id), "callback")
    Generation.objects.filter(pk=generation.pk).poll_now()


missed_callbacks = MissedCallbacks()
