"""How a command ends that a service manager, or somebody, stops."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undone_on_sigterm() -> Iterator[None]:
    """Have SIGTERM end what runs here as an exception does: with what it began undone. In the main thread only."""

    status = 0

    def end(number: int, _frame) -> None:
        nonlocal status
        # Once is enough: a second one would cut the undoing short.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        status = 128 + number
        sys.exit(status)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except Exception:
        if status:
            sys.exit(status)  # SQLite makes an error of its own of an exit while it calls Python
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
