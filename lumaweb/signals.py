"""Clean up on SIGTERM."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undone_on_sigterm() -> Iterator[None]:
    """Raise SystemExit on SIGTERM, so that the block can undo its work. In the main thread only."""
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
            sys.exit(status)  # SQLite raises OperationalError if SystemExit interrupts its callback
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
