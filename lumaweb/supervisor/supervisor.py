"""Run the processes of one installation: start them, start them again, stop them, leave none behind.

Plain Python, one thread but for the lookout's, whose questions (a database, a socket) may take their time.
"""

import os
import random
import select
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REAPER = Path(__file__).with_name("reaper.py")


@dataclass(frozen=True)
class Program:
    """One child process.

    pulse answers something that changes while the program's inside is well. What it raises says nothing about
    the program. It is called in another thread than the one that called run().
    outlives_others: told to stop only when the others have stopped, because they are still talking to it.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    pulse: Callable[[], Hashable] | None = None
    outlives_others: bool = False


@dataclass(frozen=True)
class Pace:
    """How long things may take, all in seconds."""

    stop: float = 12.0  # from the polite signal to the other one
    stop_last: float = 3.0  # the same for those that outlive the others
    first_retry: float = 0.5
    longest_retry: float = 30.0
    steady: float = 60.0  # a child that lived so long starts again without a grudge
    look: float = 5.0
    look_until_ready: float = 0.2
    silence: float = 45.0  # a pulse that stands still so long is a stuck program
    still_waiting: float = 20.0


class Lines:
    """Write whole lines to a file nobody may be reading: never wait for it, drop what will not fit."""

    ROOM = 1024 * 1024  # bytes kept for a slow reader

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0

    def say(self, line: bytes) -> None:
        if self._size + len(line) > self.ROOM:
            self._dropped += 1
            return
        if self._dropped:
            line = b"(%d lines were dropped: nobody was reading)\n" % self._dropped + line
            self._dropped = 0
        # select() promises that much and no more to be taken without blocking.
        for start in range(0, len(line), select.PIPE_BUF):
            self._waiting.append(line[start : start + select.PIPE_BUF])
        self._size += len(line)
        self.flush()

    def flush(self, patience: float = 0.0) -> None:
        """Write what the reader takes; with patience (seconds), wait that long for it to take the rest."""
        deadline = time.monotonic() + patience
        while self._waiting and select.select([], [self._fd], [], max(0.0, deadline - time.monotonic()))[1]:
            piece = self._waiting.popleft()
            self._size -= len(piece)
            try:
                os.write(self._fd, piece)
            except OSError:
                # The reader has gone or its disk is full: there is nobody to tell. The service goes on.
                continue


class Child:
    """One program's process, its output and what is known of its health."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.failures = 0
        self.start_at = 0.0
        self.beating = False  # since its latest start
        self._pulse: Hashable = None
        self._pulse_known = False
        self._pulse_changed = 0.0
        self._partial = b""

    def start(self) -> None:
        """Start it in a session of its own, so that a Ctrl-C meant for us reaches us only. Raises OSError."""
        self.process = subprocess.Popen(
            self.program.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.program.env},
            start_new_session=True,
        )
        self.started = time.monotonic()
        self.beating = False
        os.set_blocking(self.output, False)

    @property
    def output(self) -> int:
        assert self.process is not None and self.process.stdout is not None
        return self.process.stdout.fileno()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def how_it_ended(self) -> str:
        assert self.process is not None
        status = self.process.returncode
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def terminate(self) -> None:
        """Ask the leader only: a django-q2 cluster told as a group loses its task and hangs."""
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """Kill the whole group. Its number cannot belong to others while we have not waited for its leader,
        nor in the instant after."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return  # nobody left; macOS says the second of a group of zombies

    def feel(self, pulse: Hashable) -> None:
        """Take note of its pulse. The first one known may be from long ago and says nothing."""
        if self._pulse_known and pulse != self._pulse:
            self.beating = True
            self._pulse_changed = time.monotonic()
        self._pulse, self._pulse_known = pulse, True

    def excuse(self) -> None:
        """Begin anew to count its silence: it was not its fault."""
        self._pulse_changed = time.monotonic()

    def silent_for(self) -> float:
        """Seconds, by a clock that neither jumps nor counts a laptop's sleep."""
        return time.monotonic() - max(self.started, self._pulse_changed)

    def hear(self) -> tuple[list[bytes], bool]:
        """Read what it says: whole lines, and whether there may be more. Never waits."""
        try:
            data = os.read(self.output, 65536)
        except BlockingIOError:
            return [], False
        *lines, self._partial = (self._partial + data).split(b"\n")
        if self._partial and (not data or len(self._partial) > 65536):
            lines, self._partial = [*lines, self._partial], b""
        return lines, bool(data)


class Supervisor:
    """Keep programs running until a signal. They start in the order given and stop the other way.

    as_line makes a line of a program's name and what it said; without it the two stand side by side.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        answers: Callable[[], bool] = lambda: True,
        ready_line: str = "",
        pace: Pace | None = None,
        on_stop: Callable[[], object] = lambda: None,
        as_line: Callable[[str, bytes], bytes] | None = None,
    ) -> None:
        self._children = [Child(program) for program in programs]
        self._pace = pace or Pace()
        self._answers = answers
        self._on_stop = on_stop
        self._has_answered = False
        self._ready_line = ready_line
        self._is_ready = False
        self._width = max(len(program.name) for program in programs)
        self._as_line = as_line
        self._out = Lines(sys.stdout.fileno())
        self._news: deque[str] = deque()  # from the lookout's thread
        self._signals: list[int] = []
        self._over = threading.Event()
        self._reaper: subprocess.Popen[bytes] | None = None
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or SIGHUP; answer the exit status. In the main thread only."""
        self._listen()
        began = time.monotonic()
        patience = self._pace.still_waiting
        try:
            for child in self._children:
                self._start(child)
            threading.Thread(target=self._look_out, name="lookout", daemon=True).start()
            while not self._signals:
                at_rest = self._is_ready and all(child.process is not None for child in self._children)
                self._turn(1.0 if at_rest else 0.1)
                self._mend()
                if not self._is_ready and time.monotonic() - began > patience:
                    patience += self._pace.still_waiting
                    self._say("still waiting for " + " and ".join(self._missing()))
        finally:
            self._over.set()
            self._stop()
        return 0

    def _say(self, text: str) -> None:
        self._print("serve", text.encode())

    def _print(self, name: str, line: bytes) -> None:
        whole = self._as_line(name, line) if self._as_line else f"{name:<{self._width}} | ".encode() + line
        self._out.say(whole + b"\n")

    # ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────

    def _listen(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self._selector.register(reading, selectors.EVENT_READ, None)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, so that it wakes us
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup
            signal.signal(number, lambda number, _frame: self._signals.append(number))

    def _turn(self, seconds: float) -> None:
        """Pass on what the children say, until something happens or the time is over."""
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                os.read(key.fd, 4096)
            elif not self._pass_on(key.data):
                self._selector.unregister(key.fd)
        while self._news:
            self._say(self._news.popleft())
        self._out.flush()

    def _pass_on(self, child: Child) -> bool:
        lines, more = child.hear()
        for line in lines:
            self._print(child.program.name, line)
        return more

    # ── Keeping ─────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:
            self._fell(child, f"cannot be started ({error})")
            return
        self._tell_reaper(b"+%d\n" % child.pid)
        self._selector.register(child.output, selectors.EVENT_READ, child)

    def _mend(self) -> None:
        for child in self._children:
            if child.process is None:
                if time.monotonic() >= child.start_at:
                    self._start(child)
            elif child.has_ended():
                how = child.how_it_ended()
                self._bury(child)
                self._fell(child, how)
            elif child.program.pulse and child.silent_for() > self._pace.silence:
                self._say(f"{child.program.name} has given no sign of life for {child.silent_for():.0f} s")
                child.kill()
                child.excuse()
        if self._reaper is None or self._reaper.poll() is not None:
            self._start_reaper()
        if not self._is_ready and not self._missing():
            self._is_ready = True
            if self._ready_line:
                ready = self._ready_line.encode()
                self._out.say((self._as_line("serve", ready) if self._as_line else ready) + b"\n")

    def _missing(self) -> list[str]:
        silent = [
            child.program.name
            for child in self._children
            if child.process is None or (child.program.pulse and not child.beating)
        ]
        return silent if self._has_answered else [*silent, "an answer"]

    def _fell(self, child: Child, how: str) -> None:
        """Have it started again, whatever its end was: a cluster whose sentinel died exits with 0."""
        now = time.monotonic()
        if child.started and now - child.started > self._pace.steady:
            child.failures = 0
        wait = min(self._pace.longest_retry, self._pace.first_retry * 2 ** min(child.failures, 16))
        wait *= random.uniform(0.75, 1.0)  # so that what fell together does not come back together
        child.failures += 1
        child.start_at = now + wait
        self._say(f"{child.program.name} {how}; starting it again in {wait:.1f} s")

    def _bury(self, child: Child) -> None:
        """Clear up after a leader that has ended: those it left in its group, its last words, its entry."""
        child.kill()
        if child.output in self._selector.get_map():
            self._selector.unregister(child.output)
            for _ in range(64):  # what is left in a pipe is no more; somebody who fled the group may talk on
                if not self._pass_on(child):
                    break
        assert child.process is not None and child.process.stdout is not None
        child.process.stdout.close()
        self._tell_reaper(b"-%d\n" % child.pid)
        child.process = None

    # ── The reaper ───────────────────────────────────────────────────────────────────────────────────

    def _start_reaper(self) -> None:
        """Start the process that stops our children should we be killed; a killed one is replaced."""
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
        # As arguments, not lines: should we be killed while it starts, it knows them all the same.
        alive = [str(child.pid) for child in self._children if child.process is not None]
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(REAPER), str(self._pace.stop), *alive],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def _tell_reaper(self, line: bytes) -> None:
        if self._reaper is None:
            self._start_reaper()  # which tells it of everybody
            return
        assert self._reaper.stdin is not None
        try:
            self._reaper.stdin.write(line)
        except BrokenPipeError:
            return  # it was killed: _mend hires another, who is told of everybody

    # ── Looking ─────────────────────────────────────────────────────────────────────────────────────────

    def _look_out(self) -> None:
        """Ask, in a thread of its own, whether the programs' insides are well and the whole answers."""
        complaints: dict[Child, str] = {}
        while True:
            for child in self._children:
                if child.program.pulse is None:
                    continue
                try:
                    child.feel(child.program.pulse())
                except Exception as error:  # a database has many ways to fail: none is news of the program
                    child.excuse()
                    if complaints.get(child) != str(error):
                        self._news.append(f"cannot tell how {child.program.name} is: {error}")
                    complaints[child] = str(error)
                else:
                    complaints.pop(child, None)
            self._has_answered = self._has_answered or self._answers()
            if self._over.wait(self._pace.look if self._is_ready else self._pace.look_until_ready):
                return

    # ── Stopping ────────────────────────────────────────────────────────────────────────────────────────

    def _stop(self) -> None:
        heard = len(self._signals)
        self._say("stopping")
        try:
            self._on_stop()
        except OSError as error:  # a full disk must not keep anybody running
            self._say(f"stopping without notice: {error}")
        for outlives_others, patience in ((False, self._pace.stop), (True, self._pace.stop_last)):
            group = [child for child in self._children if child.program.outlives_others == outlives_others]
            for child in reversed(group):
                child.terminate()
            deadline = time.monotonic() + patience
            while left := [child for child in group if child.process is not None]:
                if time.monotonic() > deadline + self._pace.stop_last:
                    self._say(" and ".join(child.program.name for child in left) + " cannot be killed")
                    break
                for child in left:
                    if time.monotonic() > deadline or len(self._signals) > heard:
                        child.kill()
                    if child.has_ended():
                        self._bury(child)
                self._turn(0.1)
        self._say("stopped")
        self._out.flush(patience=1.0)
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            self._reaper.wait()
