"""Set the limits of the decoding process, before it reads a byte of its file."""

import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

OPEN_FILES = 64
NICENESS = 5  # pages come first; at 10, files exceeded their time limit on a busy machine
OUT_OF_MEMORY = 70  # exit status


def apply(memory: int, cpu: int, seconds: float) -> None:
    """Limit this process: memory in bytes, processor time in seconds, and seconds until it is ended."""
    # If the machine or its container runs out of memory, the kernel kills this process before any other.
    with suppress(OSError):  # not on macOS
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.nice(NICENESS)
    # Ends the process even if the product, which also enforces the deadline, has exited.
    for number in (signal.SIGALRM, signal.SIGXCPU):  # the parent may have changed them
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM, signal.SIGXCPU))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)  # it writes to a pipe only
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CPU, cpu, margin=1)  # SIGXCPU, a second before SIGKILL
    if sys.platform != "darwin":  # macOS does not enforce it, and refuses some values
        _limit(resource.RLIMIT_AS, memory)


def _limit(which: int, soft: int, margin: int = 0) -> None:
    _, hard = resource.getrlimit(which)
    hard = soft + margin if hard == resource.RLIM_INFINITY else min(hard, soft + margin)
    resource.setrlimit(which, (min(soft, hard), hard))
