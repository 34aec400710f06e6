"""Stop what a killed supervisor leaves behind. The supervisor runs this as a program, which outlives it.

The first argument is the patience, in seconds, between the polite signal and the other one; the rest are the
process groups that are alive already. Standard input tells, line by line, how that changes: "+123" started,
"-123" gone. The end of the input is the end of the supervisor, whatever ended it; a clean one leaves nothing on
the list.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable


def left_behind(lines: Iterable[str], alive: Iterable[int] = ()) -> set[int]:
    """Read until the supervisor is gone; answer the groups that still are not."""
    groups = set(alive)
    for line in lines:
        (groups.add if line.startswith("+") else groups.discard)(int(line[1:]))
    return groups


def send(groups: set[int], number: int, kill: Callable[[int, int], None] = os.killpg) -> set[int]:
    """Signal each group or, with os.kill, its leader only; answer those that were still there."""
    there = set()
    for group in groups:
        try:
            kill(group, number)
        except (ProcessLookupError, PermissionError):  # gone; macOS says the second of a group of zombies
            continue
        there.add(group)
    return there


def main() -> None:
    patience, *alive = sys.argv[1:]
    groups = left_behind(sys.stdin, map(int, alive))
    # The leaders only: a django-q2 cluster that gets SIGTERM as a group loses its task and hangs.
    send(groups, signal.SIGTERM, os.kill)
    deadline = time.monotonic() + float(patience)
    while (groups := send(groups, 0)) and time.monotonic() < deadline:
        time.sleep(0.1)
    send(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
