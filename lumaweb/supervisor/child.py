"""One child process of the supervisor."""

import os
import signal
import subprocess
import time
from collections.abc import Hashable

from .program import Program

MAX_LINE_BYTES = 65536


class Child:
    """A program's process, its output and its last heartbeat."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0  # monotonic seconds, as all times here
        self.failures = 0
        self.restart_at = 0.0
        self.has_beaten = False  # since its latest start
        self._heartbeat: Hashable = None
        self._heartbeat_is_known = False
        self._heartbeat_changed_at = 0.0
        self._partial_line = b""

    def start(self) -> None:
        """Start the process in its own session, so that Ctrl-C reaches only the supervisor. Raises OSError."""
        self.process = subprocess.Popen(
            self.program.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.program.env},
            start_new_session=True,
        )
        self.started_at = time.monotonic()
        self.has_beaten = False
        os.set_blocking(self.output_fd, False)

    @property
    def output_fd(self) -> int:
        assert self.process is not None and self.process.stdout is not None
        return self.process.stdout.fileno()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def has_exited(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    @property
    def exit_reason(self) -> str:
        """How the process ended, as the predicate of a sentence."""
        assert self.process is not None
        status = self.process.returncode
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def terminate(self) -> None:
        """Send SIGTERM to the leader only: a django-q2 cluster that gets it as a group loses its task and hangs."""
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """Kill the whole process group, also just after its leader was reaped: the id is not reused that soon."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return  # the group is empty; macOS raises PermissionError for a group of zombies

    def forget_process(self) -> None:
        """Close the output of a process that has exited."""
        assert self.process is not None and self.process.stdout is not None
        self.process.stdout.close()
        self.process = None

    def record_heartbeat(self, heartbeat: Hashable) -> None:
        """Note the heartbeat. The first known value may be left from an earlier run and does not count as a beat."""
        if self._heartbeat_is_known and heartbeat != self._heartbeat:
            self.has_beaten = True
            self._heartbeat_changed_at = time.monotonic()
        self._heartbeat, self._heartbeat_is_known = heartbeat, True

    def reset_heartbeat_timeout(self) -> None:
        """Start the heartbeat timeout again, when a missing heartbeat says nothing about the program."""
        self._heartbeat_changed_at = time.monotonic()

    @property
    def heartbeat_age(self) -> float:
        """Seconds since the start or the last beat, by a clock that neither jumps nor counts a laptop's sleep."""
        return time.monotonic() - max(self.started_at, self._heartbeat_changed_at)

    def read_lines(self) -> tuple[list[bytes], bool]:
        """Return the lines that can be read without waiting, and whether the output is still open for more."""
        try:
            data = os.read(self.output_fd, 65536)
        except BlockingIOError:
            return [], False
        *lines, self._partial_line = (self._partial_line + data).split(b"\n")
        if self._partial_line and (not data or len(self._partial_line) > MAX_LINE_BYTES):
            lines, self._partial_line = [*lines, self._partial_line], b""
        return lines, bool(data)
