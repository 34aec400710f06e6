"""Calling functions at a time of day."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any


class Scheduler:
    """Calls functions in one thread, when their time (Unix seconds) has come; they must be quick."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Callable[[], Any]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="scheduler", daemon=True).start()

    def call_at(self, when: float, act: Callable[[], Any]) -> None:
        with self._changed:
            heapq.heappush(self._entries, (when, next(self._order), act))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._entries or self._entries[0][0] > time.time():
                    self._changed.wait(self._entries[0][0] - time.time() if self._entries else None)
                act = heapq.heappop(self._entries)[2]
            act()
