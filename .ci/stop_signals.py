"""Collect the signals that ask the set-up to stop. In its own small file, to begin before slower imports."""

import signal

RECEIVED: list[int] = []


def collect() -> None:
    """Append each signal to RECEIVED from now on, except those that the caller ignores."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _frame: RECEIVED.append(number))
