"""Wait no longer than a deadline for a call that may hang: to a database, a storage or a broker."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import connections

Result = TypeVar("Result")


class TimedOut(Exception):
    """The call has not returned yet; `seconds` is how long it has been running."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer for {seconds:.0f} s")
        self.seconds = seconds


class _Call(Generic[Result]):
    """One call that runs in its own thread."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self.started = time.monotonic()
        self.done = threading.Event()
        self.result: Result
        self.error: BaseException | None = None
        threading.Thread(target=self._run, args=[function], name="deadline", daemon=True).start()

    def _run(self, function: Callable[[], Result]) -> None:
        try:
            self.result = function()
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()  # Django opens connections per thread
            self.done.set()


class SingleFlight(Generic[Result]):
    """Share one running call among all threads that want its result, so a call that hangs occupies one thread only.

    A result that `is_cacheable` accepts is reused for `max_age` seconds.
    """

    def __init__(
        self,
        function: Callable[[], Result],
        *,
        max_age: float = 0.0,
        is_cacheable: Callable[[Result], bool] = lambda _: True,
    ) -> None:
        self._function, self._max_age, self._is_cacheable = function, max_age, is_cacheable
        self._lock = threading.Lock()
        self._call: _Call[Result] | None = None
        self._cached: tuple[float, Result] | None = None

    def result(self, timeout: float) -> Result:
        """Return the call's result or raise its exception; raise TimedOut after `timeout` seconds."""
        with self._lock:
            if self._cached and time.monotonic() - self._cached[0] < self._max_age:
                return self._cached[1]
            call = self._call
            if call is None or call.done.is_set():
                call = self._call = _Call(self._function)
        if not call.done.wait(timeout):
            raise TimedOut(time.monotonic() - call.started)
        if call.error:
            raise call.error
        if self._max_age and self._is_cacheable(call.result):
            self._cached = call.started, call.result
        return call.result

    def reset(self) -> None:
        """Forget the cached result and any running call, so that the next request starts a new one."""
        with self._lock:
            self._cached = self._call = None
