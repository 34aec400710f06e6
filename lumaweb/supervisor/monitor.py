"""Health checks of the supervisor's programs."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from .child import Child
from .program import Timing


class Monitor:
    """Read heartbeats and the readiness check in a separate thread: a database or a socket may take long."""

    def __init__(self, children: Sequence[Child], responds: Callable[[], bool], timing: Timing) -> None:
        self._children = children
        self._responds = responds
        self._timing = timing
        self._stopping = threading.Event()
        self.messages: deque[str] = deque()  # for the supervisor to log
        self.has_responded = False
        self.is_ready = False  # set by the supervisor

    def start(self) -> None:
        threading.Thread(target=self._run, name="monitor", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end after the check that is running, without waiting for it."""
        self._stopping.set()

    def _run(self) -> None:
        errors: dict[Child, str] = {}
        while True:
            for child in self._children:
                self._read_heartbeat(child, errors)
            self.has_responded = self.has_responded or self._responds()
            interval = self._timing.probe_interval if self.is_ready else self._timing.startup_probe_interval
            if self._stopping.wait(interval):
                return

    def _read_heartbeat(self, child: Child, errors: dict[Child, str]) -> None:
        if child.program.heartbeat is None:
            return
        try:
            heartbeat = child.program.heartbeat()
        except Exception as error:  # the database that holds it may fail in many ways, and the program may be fine
            child.reset_heartbeat_timeout()
            if errors.get(child) != str(error):
                self.messages.append(f"cannot read the heartbeat of {child.program.name}: {error}")
            errors[child] = str(error)
        else:
            child.record_heartbeat(heartbeat)
            errors.pop(child, None)
