"""Clean up on SIGTERM."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Raise SystemExit on SIGTERM, so that the block can clean up. Use it in the main thread only."""
    status = 0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal status
        # Ignore a second SIGTERM: it would interrupt the clean-up.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        status = 128 + number
        sys.exit(status)

    previous = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    except Exception:
        if status:
            sys.exit(status)  # SQLite raises OperationalError if SystemExit interrupts its callback
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
