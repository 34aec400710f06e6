"""A few worker processes that render clips, so that answering requests never waits for pixels."""

import itertools
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

Outcome = dict[str, Any]
CRASHED: Outcome = {"error": {"code": "api_error", "message": "the renderer stopped unexpectedly"}}


class RenderPool:
    """As many workers as cores, started when first needed. A job and its outcome are JSON objects."""

    def __init__(self, size: int | None = None):
        self._jobs: queue.PriorityQueue = queue.PriorityQueue()
        self._order = itertools.count()
        self._stopping = threading.Event()
        self._workers: list[subprocess.Popen] = []
        self._lock = threading.Lock()
        for number in range(size or os.cpu_count() or 1):
            threading.Thread(target=self._serve, name=f"render-{number}", daemon=True).start()

    def render(self, job: dict[str, Any], done: Callable[[Outcome], None], *, first: bool = False) -> None:
        """Queue a job; done(outcome) is called in another thread. first goes before all that wait."""
        self._jobs.put((0 if first else 1, next(self._order), job, done))

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            workers = list(self._workers)
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.wait()

    def _serve(self) -> None:
        worker = None
        while not self._stopping.is_set():
            _, _, job, done = self._jobs.get()
            for _attempt in range(2):  # a killed worker is replaced, and its job tried once more
                if worker is None or worker.poll() is not None:
                    worker = self._hire()
                outcome = self._ask(worker, job)
                if outcome is not None or self._stopping.is_set():
                    break
                self._dismiss(worker)
            if self._stopping.is_set():
                return  # the task stays open in the ledger and is taken up at the next start
            done(outcome or CRASHED)

    def _hire(self) -> subprocess.Popen:
        with self._lock:
            worker = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
            self._workers.append(worker)
        if self._stopping.is_set():
            worker.kill()
        return worker

    def _dismiss(self, worker: subprocess.Popen) -> None:
        worker.kill()
        worker.wait()
        with self._lock:
            self._workers.remove(worker)

    @staticmethod
    def _ask(worker: subprocess.Popen, job: dict[str, Any]) -> Outcome | None:
        """Hand over one job and wait for its outcome; None when the worker is gone."""
        assert worker.stdin and worker.stdout
        try:
            worker.stdin.write(json.dumps(job).encode() + b"\n")
            worker.stdin.flush()
            answer = worker.stdout.readline()
            return json.loads(answer) if answer.endswith(b"\n") else None
        except OSError:
            return None
