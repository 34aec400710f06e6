"""Ask what may hang (a database, a storage, a broker), and wait for it no longer than one has time."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import connections

Answer = TypeVar("Answer")


class Silent(Exception):
    """It has not answered in time; the number is how many seconds it has been silent."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer for {seconds:.0f} s")
        self.seconds = seconds


class _Asked(Generic[Answer]):
    """One question under way."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self.began = time.monotonic()
        self.done = threading.Event()
        self.answer: Answer
        self.error: BaseException | None = None
        threading.Thread(target=self._run, args=[ask], name="patience", daemon=True).start()

    def _run(self, ask: Callable[[], Answer]) -> None:
        try:
            self.answer = ask()
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()  # this thread's own
            self.done.set()


class Question(Generic[Answer]):
    """Something that is asked again and again, by one thread at a time, however many want to know and however it hangs.

    keep: for how many seconds an answer that is `good` serves whoever asks next.
    """

    def __init__(
        self, ask: Callable[[], Answer], *, keep: float = 0.0, good: Callable[[Answer], bool] = lambda _: True
    ) -> None:
        self._ask, self._keep, self._good = ask, keep, good
        self._lock = threading.Lock()
        self._under_way: _Asked[Answer] | None = None
        self._kept: tuple[float, Answer] | None = None

    def answer(self, patience: float) -> Answer:
        """Raises what asking raised, and Silent after so many seconds."""
        with self._lock:
            if self._kept and time.monotonic() - self._kept[0] < self._keep:
                return self._kept[1]
            asked = self._under_way
            if asked is None or asked.done.is_set():
                asked = self._under_way = _Asked(self._ask)
        if not asked.done.wait(patience):
            raise Silent(time.monotonic() - asked.began)
        if asked.error:
            raise asked.error
        if self._keep and self._good(asked.answer):
            self._kept = asked.began, asked.answer
        return asked.answer

    def forget(self) -> None:
        """Ask anew the next time, whatever is under way."""
        with self._lock:
            self._kept = self._under_way = None
