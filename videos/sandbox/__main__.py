"""Run the sandbox provider: `python -m videos.sandbox`, settings in `--help`."""

import json
import logging
import os
import signal
import sys
import threading

from .ledger import Ledger
from .options import read_options
from .server import SandboxServer
from .studio import Studio


def main() -> None:
    options = read_options()
    ledger = Ledger(options.data / "ledger.sqlite3")
    if options.show_ledger:
        for line in ledger.lines():
            sys.stdout.write(json.dumps(line) + "\n")
        return
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="sandbox: %(message)s")
    try:
        server = SandboxServer(options.port)
    except OSError as wrong:
        sys.exit(f"The sandbox provider cannot listen on port {options.port}: {wrong.strerror}. Set SANDBOX_PORT.")
    studio = server.studio = Studio(options, ledger, server.base_url)
    studio.take_up()
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    sys.stdout.write(f"Sandbox provider ready at {server.base_url}\n")
    sys.stdout.flush()
    stopping.wait()
    server.shutdown()
    studio.stop()
    ledger.close()
    logging.shutdown()
    os._exit(0)  # held connections and callbacks on their way have threads that would keep us for minutes


if __name__ == "__main__":
    main()
