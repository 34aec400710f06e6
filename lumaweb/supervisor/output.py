"""Output that never blocks the supervisor."""

import os
import select
import time
from collections import deque

MAX_BUFFERED_BYTES = 1024 * 1024


class NonBlockingWriter:
    """Write whole lines to a file descriptor without waiting for its reader; drop lines that exceed the buffer."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._chunks: deque[bytes] = deque()
        self._buffered_bytes = 0
        self._dropped_lines = 0

    def write(self, line: bytes) -> None:
        """Buffer a line, or count it as dropped if the buffer is full, and write what the reader accepts."""
        if self._buffered_bytes + len(line) > MAX_BUFFERED_BYTES:
            self._dropped_lines += 1
            return
        if self._dropped_lines:
            line = b"(%d lines were dropped: nobody was reading)\n" % self._dropped_lines + line
            self._dropped_lines = 0
        # select() promises that a write of PIPE_BUF bytes does not block, and no more than that.
        for start in range(0, len(line), select.PIPE_BUF):
            self._chunks.append(line[start : start + select.PIPE_BUF])
        self._buffered_bytes += len(line)
        self.flush()

    def flush(self, timeout: float = 0.0) -> None:
        """Write what the reader accepts within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._chunks and select.select([], [self._fd], [], max(0.0, deadline - time.monotonic()))[1]:
            chunk = self._chunks.popleft()
            self._buffered_bytes -= len(chunk)
            try:
                os.write(self._fd, chunk)
            except OSError:
                # The reader has gone or its disk is full, so there is no place to report it. The service continues.
                continue
