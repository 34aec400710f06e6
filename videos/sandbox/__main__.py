"""Run the sandbox provider: `python -m videos.sandbox`, settings in `--help`."""

import json
import logging
import os
import signal
import sys
import threading
import time

from .backend import Backend
from .control import Control
from .ledger import Ledger
from .options import read_options
from .records import read_records
from .server import SandboxServer

STOP_AT_MOST = 2.5  # seconds


def main() -> None:
    options = read_options()
    if options.change:
        try:
            Control(options.control_file).change(options.change)
        except ValueError as error:
            sys.exit(f"--control: {error}")
        return
    ledger = Ledger(options.data / "ledger.sqlite3")
    if options.show_ledger:
        for line in read_records(ledger):
            sys.stdout.write(json.dumps(line) + "\n")
        return
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="sandbox: %(message)s")
    try:
        server = SandboxServer(options.port)
    except OSError as error:
        sys.exit(f"The sandbox provider cannot listen on port {options.port}: {error.strerror}. Set SANDBOX_PORT.")
    backend = server.backend = Backend(options, ledger, server.base_url)
    backend.take_up()
    # A list, not an Event: a handler that runs while the main thread is inside Event.wait may never get its lock.
    told: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: told.append(number))
    server.listen()
    sys.stdout.write(f"Sandbox provider ready at {server.base_url}\n")
    sys.stdout.flush()
    while not told:
        server.follow_outage()
        time.sleep(0.1)
    # Whatever holds a lock by then: what was accepted is in the ledger, and the renderers end when we are gone.
    last_word = threading.Timer(STOP_AT_MOST, os._exit, [0])
    last_word.daemon = True
    last_word.start()
    server.close_listener()
    backend.stop()
    ledger.close()
    logging.shutdown()
    os._exit(0)  # held connections and callbacks on their way have threads that would keep us for minutes


if __name__ == "__main__":
    main()
