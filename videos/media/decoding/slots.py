"""The two decoding slots that all processes on a data directory share.

Each is a file locked with `flock`. The decoding process inherits its descriptor, so the slot stays taken until that
process has exited, even if the process that started it exits first.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lumaweb.permissions import PRIVATE_FILE

from .errors import Busy

logger = logging.getLogger(__name__)

NAMES = ("decoding-1", "decoding-2")
RETRY_EVERY = 0.05  # seconds
BUSY = "The studio is busy reading other pictures. Try again in a moment."


@contextmanager
def one(folder: Path, seconds: float, among: tuple[str, ...] = NAMES) -> Iterator[list[int]]:
    """Hold one of these slots; yield its descriptor. Raises Busy after so many seconds, and OSError."""
    with _opened(folder, among) as files:
        yield [_lock(files, time.monotonic() + seconds)]


@contextmanager
def all_of_them(folder: Path, seconds: float) -> Iterator[list[int]]:
    """Hold every slot, for a file that needs the memory of all; yield their descriptors. Raises Busy, and OSError."""
    deadline = time.monotonic() + seconds
    with _opened(folder, NAMES) as files:
        # Always in the same order, so that two processes cannot wait for each other.
        yield [_lock([file], deadline) for file in files]


@contextmanager
def _opened(folder: Path, names: tuple[str, ...]) -> Iterator[list[int]]:
    with ExitStack() as held:
        files = []
        for name in names:
            try:
                files.append(os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
            except OSError:
                logger.exception("no file can be decoded; the user that runs Lumaweb has to own %s", folder / name)
                raise
            held.callback(os.close, files[-1])
        yield files


def _lock(files: list[int], deadline: float) -> int:
    while True:
        for file in files:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            return file
        if time.monotonic() > deadline:
            raise Busy(BUSY)
        time.sleep(RETRY_EVERY)
