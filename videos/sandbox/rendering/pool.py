"""A pool of rendering processes, so that HTTP requests never wait for pixels."""

import itertools
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .job import Outcome, RenderJob

CRASHED = Outcome(error_code="api_error", error_message="the renderer stopped unexpectedly")
ATTEMPTS = 2
Process = subprocess.Popen[str]


@dataclass(order=True)
class QueuedJob:
    """A job with its place in the queue."""

    priority: int
    number: int
    job: RenderJob = field(compare=False)
    on_done: Callable[[Outcome], None] = field(compare=False)


class RenderPool:
    """Renders with one process per core; each is started when it gets its first job."""

    def __init__(self, size: int | None = None) -> None:
        self._jobs: queue.PriorityQueue[QueuedJob] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._processes: list[Process] = []
        self._lock = threading.Lock()
        for number in range(size or os.cpu_count() or 1):
            threading.Thread(target=self._serve, name=f"render-{number}", daemon=True).start()

    def render(self, job: RenderJob, on_done: Callable[[Outcome], None], *, urgent: bool = False) -> None:
        """Queue a job, an urgent one before all others; on_done(outcome) runs in another thread."""
        self._jobs.put(QueuedJob(0 if urgent else 1, next(self._numbers), job, on_done))

    def stop(self) -> None:
        """Kill all rendering processes; unfinished tasks stay open in the ledger for the next start."""
        self._stopping.set()
        with self._lock:
            processes = list(self._processes)
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()

    def _serve(self) -> None:
        process: Process | None = None
        while not self._stopping.is_set():
            queued = self._jobs.get()
            outcome: Outcome | None = None
            for _ in range(ATTEMPTS):
                if process is None or process.poll() is not None:
                    process = self._start()
                outcome = _render(process, queued.job)
                if self._stopping.is_set():
                    return
                if outcome is not None:
                    break
                self._remove(process)
            queued.on_done(outcome or CRASHED)

    def _start(self) -> Process:
        with self._lock:
            process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
            self._processes.append(process)
        if self._stopping.is_set():  # stop() may have copied the list before this process was in it
            process.kill()
        return process

    def _remove(self, process: Process) -> None:
        process.kill()
        process.wait()
        with self._lock:
            self._processes.remove(process)


def _render(process: Process, job: RenderJob) -> Outcome | None:
    """Send one job to a process and wait for its outcome; None if the process ended."""
    assert process.stdin and process.stdout
    try:
        process.stdin.write(job.to_json() + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except OSError:
        return None
    return Outcome.from_json(line) if line.endswith("\n") else None
