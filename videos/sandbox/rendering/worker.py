"""One rendering process: a JSON job per line on standard input, an outcome per line on standard output."""

import json
import os
import queue
import signal
import sys
import threading
import traceback

from .clip import render_clip


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; our parent ends us
    os.nice(5)  # the server, and the product beside it, come first
    outcomes = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints must not look like an outcome
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    while True:
        job = json.loads(jobs.get())
        try:
            outcome = render_clip(job)
        except Exception as error:  # any failure belongs to the task, and the next job must go on
            traceback.print_exc()
            outcome = {"error": {"code": "api_error", "message": f"could not render: {error}"}}
        outcomes.write(json.dumps(outcome) + "\n")
        outcomes.flush()


def _listen(jobs: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)  # our parent is gone: nobody waits for the clip that is being made


if __name__ == "__main__":
    main()
