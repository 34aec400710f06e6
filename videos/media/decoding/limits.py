"""The limits of the decoding process, which it sets before it reads a byte of its file."""

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
    """Limit this process: memory in bytes, processor time in seconds, and seconds until it ends whatever it does."""
    # Where the machine or its container runs out of memory, the kernel kills this process before any other.
    with suppress(OSError):  # not on macOS
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.nice(NICENESS)
    # Ends the process even if the product, which also enforces the deadline, has exited.
    for number in (signal.SIGALRM, signal.SIGXCPU):  # whatever was inherited
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM, signal.SIGXCPU))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)  # it writes to a pipe only
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CPU, cpu, spare=1)  # SIGXCPU, a second before SIGKILL
    if sys.platform != "darwin":  # macOS does not keep to it, and refuses some values
        _limit(resource.RLIMIT_AS, memory)


def _limit(which: int, most: int, spare: int = 0) -> None:
    _, hard = resource.getrlimit(which)
    hard = most + spare if hard == resource.RLIM_INFINITY else min(hard, most + spare)
    resource.setrlimit(which, (min(most, hard), hard))
