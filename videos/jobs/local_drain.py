"""Send videos from the ticker's own process while the queue cannot wake a worker."""

import logging
import threading

from django.db import connections

from .submit import drain, is_stopping

logger = logging.getLogger(__name__)

STOP_TIMEOUT = 10.0  # seconds; the supervisor kills the process after 12


class LocalDrain:
    """Run one drain at a time in a thread, beside the ticker's steps.

    Workers may run others at the same time: the claim decides which one sends a row.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Start a drain unless one is running."""
        if self._stopping or (self._thread and self._thread.is_alive()):
            return
        # Not a daemon: the process must not end while answers of paid requests are not recorded.
        self._thread = threading.Thread(target=self._run, name="drain")
        self._thread.start()

    def stop(self) -> None:
        """Claim nothing more, and wait for the answers that are on their way."""
        self._stopping = True
        if self._thread:
            self._thread.join(STOP_TIMEOUT)

    def _run(self) -> None:
        try:
            drain(lambda: self._stopping or is_stopping())
        except Exception:
            # The rows of a failed drain wait for the sweep, as those of a failed worker do.
            logger.exception("the ticker's drain failed")
        finally:
            connections.close_all()
