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
from .database import Database
from .ledger import Ledger
from .ledger_export import export_ledger
from .options import Options, parse_options
from .server import SandboxServer

SHUTDOWN_SECONDS = 2.5
POLL_SECONDS = 0.1  # between two looks at the control file


def main() -> None:
    options = parse_options()
    if options.only_check:
        return
    if options.changes:
        try:
            Control(options.control_file).change(options.changes)
        except ValueError as error:
            sys.exit(f"--control: {error}")
        return
    database = Database(options.data / "ledger.sqlite3")
    if options.show_ledger:
        for line in export_ledger(Ledger(database)):
            sys.stdout.write(json.dumps(line) + "\n")
        return
    serve(options, database)


def serve(options: Options, database: Database) -> None:
    """Serve until SIGTERM or SIGINT, then end the process."""
    logging.basicConfig(level=options.log_level, format="sandbox: %(message)s")
    try:
        server = SandboxServer(options.port)
    except OSError as error:
        sys.exit(f"The sandbox provider cannot listen on port {options.port}: {error.strerror}. Set SANDBOX_PORT.")
    backend = server.backend = Backend(options, database, server.base_url)
    backend.resume()
    # A list, not an Event: a handler that interrupts Event.wait in the main thread may never get its lock.
    signals: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: signals.append(number))
    server.listen()
    sys.stdout.write(f"Sandbox provider ready at {server.base_url}\n")
    sys.stdout.flush()
    while not signals:
        server.apply_outage()
        time.sleep(POLL_SECONDS)
    # Exit even if a thread holds a lock: the ledger has every accepted request, and renderers end with this process.
    forced_exit = threading.Timer(SHUTDOWN_SECONDS, os._exit, [0])
    forced_exit.daemon = True
    forced_exit.start()
    server.close_listener()
    backend.stop()
    database.close()
    logging.shutdown()
    os._exit(0)  # do not wait for the threads of open connections and callbacks, which may take minutes


if __name__ == "__main__":
    main()
