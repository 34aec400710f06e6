"""The supervisor's connection to its reaper."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

REAPER = Path(__file__).with_name("reaper.py")


class ReaperProcess:
    """Start the reaper, report started and ended process groups to it, and replace it if it was killed."""

    def __init__(self, stop_timeout: float) -> None:
        self._stop_timeout = stop_timeout
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, groups: Iterable[int]) -> None:
        """Start a reaper that knows these process groups. Raises OSError."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        # As arguments, not as lines: it must know them even if the supervisor is killed while it starts.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(REAPER), str(self._stop_timeout), *map(str, groups)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def add(self, group: int) -> None:
        self._send(b"+%d\n" % group)

    def remove(self, group: int) -> None:
        self._send(b"-%d\n" % group)

    def stop(self) -> None:
        """End the reaper and wait for it; it first stops the groups that were not removed."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()

    def _send(self, line: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(line)
        except BrokenPipeError:
            return  # it was killed: the supervisor starts another with all groups
