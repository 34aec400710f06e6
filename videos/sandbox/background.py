"""Running functions in the background: at a time, or in a pool of threads."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec

P = ParamSpec("P")
log = logging.getLogger(__name__)


class Scheduler:
    """Calls functions in one thread once their time has come; they must return quickly."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="scheduler", daemon=True).start()

    def call_at(self, when: float, function: Callable[[], object]) -> None:
        """Call a function at a time in Unix seconds, or at once if that has passed."""
        with self._changed:
            heapq.heappush(self._entries, (when, next(self._numbers), function))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._entries or self._entries[0][0] > time.time():
                    self._changed.wait(self._entries[0][0] - time.time() if self._entries else None)
                function = heapq.heappop(self._entries)[2]
            function()


def submit(pool: ThreadPoolExecutor, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a function in a pool and log its exception, which the pool would hide."""
    pool.submit(function, *args, **kwargs).add_done_callback(_log_exception)


def _log_exception(future: Future[object]) -> None:
    if error := future.exception():
        log.error("background work failed", exc_info=error)
