"""python -m lumaweb.server: listen, load the application once, and serve it in several processes."""

import gc
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress

from django.conf import settings
from django.db import connections

from lumaweb.wsgi import application

from .server import BACKLOG, Server

logger = logging.getLogger(__name__)

PROCESSES = 2  # one per core: Python threads share one
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
RESTART_DELAY = 1.0  # seconds


def listen() -> socket.socket:
    """Listen on HOST and PORT; raise OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.HOST, settings.PORT, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(BACKLOG)
    return listener


class Workers:
    """Fork the web processes, and replace each one that exits unexpectedly."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._alive: set[int] = set()
        self._stopping = False

    def run(self) -> None:
        """Run until a stop signal arrives and all processes have exited."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop)
        while self._alive or not self._stopping:
            while not self._stopping and len(self._alive) < PROCESSES:
                self._start()
            pid, status = os.wait()
            self._alive.discard(pid)
            if not self._stopping:
                logger.error("a web process exited with status %s; starting another", os.waitstatus_to_exitcode(status))
                time.sleep(RESTART_DELAY)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True
        self._listener.close()  # otherwise new clients would connect and wait
        for pid in self._alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _start(self) -> None:
        # A signal between fork and add would not reach the new process.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        if self._stopping:
            return
        pid = os.fork()
        if not pid:
            self._serve()
            sys.exit()
        self._alive.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _serve(self) -> None:
        server = Server(application, self._listener)
        signal.signal(signal.SIGTERM, lambda *_: server.stop())
        # Ctrl-C reaches the whole process group; the parent decides when to stop.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        server.run()


def main() -> None:
    # waitress keeps large bodies in temporary files; the default folder may be a tmpfs.
    tempfile.tempdir = str(settings.FILE_UPLOAD_TEMP_DIR)
    try:
        listener = listen()
    except OSError as error:
        sys.exit(f"Cannot listen on {settings.HOST} port {settings.PORT}: {error.strerror}.")
    connections.close_all()
    # A garbage collection would write to every object and copy the pages that the processes share.
    gc.collect()
    gc.freeze()
    Workers(listener).run()


if __name__ == "__main__":
    main()
