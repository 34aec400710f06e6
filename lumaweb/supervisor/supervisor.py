"""Start the processes of one installation, restart those that exit, and stop all of them on a signal.

Plain Python. One thread does it all, except for the monitor's health checks.
"""

import os
import random
import selectors
import signal
import sys
import time
from collections.abc import Callable, Sequence

from .child import Child
from .monitor import Monitor
from .output import NonBlockingWriter
from .program import Program, Timing
from .reaper_process import ReaperProcess

MAX_LAST_READS = 64  # of 64 KB each


class Supervisor:
    """Keep programs running until a signal. They start in the given order and stop in the reverse order.

    `responds` tells whether the installation as a whole answers; `ready_line` is printed when it does and every program
    with a heartbeat has beaten. `format_line` makes an output line of a program's name and a line of its output;
    without it the line is prefixed with the name.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        responds: Callable[[], bool] = lambda: True,
        ready_line: str = "",
        timing: Timing | None = None,
        on_stop: Callable[[], object] = lambda: None,
        format_line: Callable[[str, bytes], bytes] | None = None,
    ) -> None:
        self._children = [Child(program) for program in programs]
        self._timing = timing or Timing()
        self._on_stop = on_stop
        self._ready_line = ready_line
        self._name_width = max(len(program.name) for program in programs)
        self._format_line = format_line
        self._output = NonBlockingWriter(sys.stdout.fileno())
        self._monitor = Monitor(self._children, responds, self._timing)
        self._reaper = ReaperProcess(self._timing.stop_timeout)
        self._signals: list[int] = []
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or SIGHUP; return the exit status. Call it in the main thread."""
        self._handle_signals()
        started_at = time.monotonic()
        next_message = self._timing.waiting_message_interval
        try:
            self._reaper.start([])
            for child in self._children:
                self._start(child)
            self._monitor.start()
            while not self._signals:
                is_steady = self._monitor.is_ready and all(child.process is not None for child in self._children)
                self._wait(1.0 if is_steady else 0.1)
                self._check_children()
                self._check_ready()
                if not self._monitor.is_ready and time.monotonic() - started_at > next_message:
                    next_message += self._timing.waiting_message_interval
                    self._log("still waiting for " + " and ".join(self._not_ready()))
        finally:
            self._monitor.stop()
            self._stop()
        return 0

    def _log(self, message: str) -> None:
        self._print("serve", message.encode())

    def _print(self, name: str, line: bytes) -> None:
        prefixed = f"{name:<{self._name_width}} | ".encode() + line
        self._output.write((self._format_line(name, line) if self._format_line else prefixed) + b"\n")

    # ── Waiting ───────────────────────────────────────────────────────────────────────────────────────────────

    def _handle_signals(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self._selector.register(reading, selectors.EVENT_READ, None)
        # Without a handler Python would not write to the wakeup descriptor.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # started by nohup
            signal.signal(number, lambda number, _frame: self._signals.append(number))

    def _wait(self, seconds: float) -> None:
        """Wait for output or a signal for up to `seconds`, and print the children's output."""
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                os.read(key.fd, 4096)
            elif not self._print_output(key.data):
                self._selector.unregister(key.fd)
        while self._monitor.messages:
            self._log(self._monitor.messages.popleft())
        self._output.flush()

    def _print_output(self, child: Child) -> bool:
        """Print the available output of a child; return whether there may be more."""
        lines, is_open = child.read_lines()
        for line in lines:
            self._print(child.program.name, line)
        return is_open

    # ── Running ───────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:
            self._schedule_restart(child, f"cannot be started ({error})")
            return
        self._reaper.add(child.pid)
        self._selector.register(child.output_fd, selectors.EVENT_READ, child)

    def _check_children(self) -> None:
        for child in self._children:
            if child.process is None:
                if time.monotonic() >= child.restart_at:
                    self._start(child)
            elif child.has_exited:
                reason = child.exit_reason
                self._clean_up(child)
                self._schedule_restart(child, reason)
            elif child.program.heartbeat and child.heartbeat_age > self._timing.heartbeat_timeout:
                self._log(f"{child.program.name} has had no heartbeat for {child.heartbeat_age:.0f} s; killing it")
                child.kill()
                child.reset_heartbeat_timeout()
        if not self._reaper.is_running:
            self._reaper.start(child.pid for child in self._children if child.process is not None)

    def _check_ready(self) -> None:
        if self._monitor.is_ready or self._not_ready():
            return
        self._monitor.is_ready = True
        if self._ready_line:
            line = self._ready_line.encode()
            self._output.write((self._format_line("serve", line) if self._format_line else line) + b"\n")

    def _not_ready(self) -> list[str]:
        """Return what the start is waiting for: names of programs and "a response"."""
        names = [
            child.program.name
            for child in self._children
            if child.process is None or (child.program.heartbeat and not child.has_beaten)
        ]
        return names if self._monitor.has_responded else [*names, "a response"]

    def _schedule_restart(self, child: Child, reason: str) -> None:
        """Restart after any exit status: a cluster whose sentinel died exits with 0."""
        now = time.monotonic()
        if child.started_at and now - child.started_at > self._timing.stable_after:
            child.failures = 0
        delay = min(self._timing.max_restart_delay, self._timing.first_restart_delay * 2 ** min(child.failures, 16))
        delay *= random.uniform(0.75, 1.0)  # so that children that failed together do not restart together
        child.failures += 1
        child.restart_at = now + delay
        self._log(f"{child.program.name} {reason}; restarting it in {delay:.1f} s")

    def _clean_up(self, child: Child) -> None:
        """Kill the rest of an exited leader's group, print its last output and forget the process."""
        child.kill()
        if child.output_fd in self._selector.get_map():
            self._selector.unregister(child.output_fd)
            # A pipe holds less, but a process that left the group may continue to write to it.
            for _ in range(MAX_LAST_READS):
                if not self._print_output(child):
                    break
        self._reaper.remove(child.pid)
        child.forget_process()

    # ── Stopping ──────────────────────────────────────────────────────────────────────────────────────────────

    def _stop(self) -> None:
        signals = len(self._signals)
        self._log("stopping")
        try:
            self._on_stop()
        except OSError as error:  # a full disk must not prevent the stop
            self._log(f"stopping without notice to the workers: {error}")
        for outlives_others, timeout in (
            (False, self._timing.stop_timeout),
            (True, self._timing.last_stop_timeout),
        ):
            group = [child for child in self._children if child.program.outlives_others == outlives_others]
            self._stop_group(group, timeout, signals)
        self._log("stopped")
        self._output.flush(timeout=1.0)
        self._reaper.stop()

    def _stop_group(self, group: Sequence[Child], timeout: float, signals: int) -> None:
        """Terminate children, and kill them after `timeout` seconds or as soon as more than `signals` have arrived."""
        for child in reversed(group):
            child.terminate()
        deadline = time.monotonic() + timeout
        while running := [child for child in group if child.process is not None]:
            if time.monotonic() > deadline + self._timing.last_stop_timeout:
                self._log(" and ".join(child.program.name for child in running) + " cannot be killed")
                return
            for child in running:
                if time.monotonic() > deadline or len(self._signals) > signals:
                    child.kill()
                if child.has_exited:
                    self._clean_up(child)
            self._wait(0.1)
