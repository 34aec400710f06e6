"""How a command ends that a service manager, or somebody, stops."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undone_on_sigterm() -> Iterator[None]:
    """Have SIGTERM end what runs here as an exception does: with what it began undone. In the main thread only."""

    def end(number: int, _frame) -> None:
        # Once is enough: a second one would cut the undoing short.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
