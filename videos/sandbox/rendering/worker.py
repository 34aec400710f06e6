"""One rendering process: a job per line on standard input, an outcome per line on standard output."""

import os
import queue
import signal
import sys
import threading
import traceback

from .job import Outcome, RenderJob
from .video import render_video


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the server ends this process
    os.nice(5)  # the server, and the product beside it, come first
    outcomes = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # anything else that prints must not look like an outcome
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()
    while True:
        job = RenderJob.from_json(jobs.get())
        try:
            outcome = render_video(job)
        except Exception as error:  # fails this task only: the next job must still run
            traceback.print_exc()
            outcome = Outcome(error_code="api_error", error_message=f"could not render: {error}")
        outcomes.write(outcome.to_json() + "\n")
        outcomes.flush()


def _read_jobs(jobs: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)  # the server is gone: nobody waits for the video in progress


if __name__ == "__main__":
    main()
