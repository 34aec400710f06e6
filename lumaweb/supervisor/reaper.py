"""Stop the processes that a killed supervisor leaves behind. The supervisor runs this file as a program.

The first argument is the timeout in seconds between SIGTERM and SIGKILL; the others are the process groups that are
running. Standard input updates them line by line: "+123" has started, "-123" has ended. Its end means that the
supervisor has ended, for whatever reason; after a clean stop no group is left.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable


def orphaned_groups(lines: Iterable[str], running: Iterable[int] = ()) -> set[int]:
    """Read updates until the supervisor ends; return the process groups that are still running."""
    groups = set(running)
    for line in lines:
        (groups.add if line.startswith("+") else groups.discard)(int(line[1:]))
    return groups


def send(groups: set[int], number: int, kill: Callable[[int, int], None] = os.killpg) -> set[int]:
    """Signal each group, or with `os.kill` only its leader; return those that exist."""
    existing = set()
    for group in groups:
        try:
            kill(group, number)
        except (ProcessLookupError, PermissionError):  # empty; macOS raises PermissionError for a group of zombies
            continue
        existing.add(group)
    return existing


def main() -> None:
    timeout, *running = sys.argv[1:]
    groups = orphaned_groups(sys.stdin, map(int, running))
    # The leaders only: a django-q2 cluster that gets SIGTERM as a group loses its task and hangs.
    send(groups, signal.SIGTERM, os.kill)
    deadline = time.monotonic() + float(timeout)
    while (groups := send(groups, 0)) and time.monotonic() < deadline:
        time.sleep(0.1)
    send(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
