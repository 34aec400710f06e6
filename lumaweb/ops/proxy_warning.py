"""Warn in the log of `serve` if a proxy in front changes requests: members may then see no page that explains it."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .doctor.proxy import proxy
from .programs import web_responds

logger = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds between two attempts to reach the web server


@contextmanager
def proxy_checked(parts: Sequence[str]) -> Iterator[None]:
    """Run the doctor's check of the proxy once in a thread during the block, when the web server responds."""
    stopping = threading.Event()
    if "web" in parts:
        threading.Thread(target=_check, args=[stopping], name="proxy check", daemon=True).start()
    try:
        yield
    finally:
        stopping.set()


def _check(stopping: threading.Event) -> None:
    while not web_responds():
        if stopping.wait(INTERVAL):
            return
    for finding in proxy():
        if finding.is_problem and not stopping.is_set():
            logger.warning("%s. %s %s", finding.title, finding.message, finding.fix)
