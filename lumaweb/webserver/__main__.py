"""python -m lumaweb.webserver: listen, load the application once, and serve it in several processes."""

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

PROCESSES = 2  # as one Python uses one core
STOPS = (signal.SIGTERM, signal.SIGINT)
PAUSE = 1.0  # seconds before a process that ended is replaced


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


class Processes:
    """The processes that serve, each replaced when it ends by itself."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._alive: set[int] = set()
        self._stopping = False

    def run(self) -> None:
        """Keep them running until a signal asks to stop and they have ended."""
        for number in STOPS:
            signal.signal(number, self._stop)
        while self._alive or not self._stopping:
            while not self._stopping and len(self._alive) < PROCESSES:
                self._start()
            pid, status = os.wait()
            self._alive.discard(pid)
            if not self._stopping:
                logger.error("a web process ended (%s); starting another", os.waitstatus_to_exitcode(status))
                time.sleep(PAUSE)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True
        self._listener.close()  # else who connects now would wait for nobody
        for pid in self._alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _start(self) -> None:
        # A signal between the two steps would miss the new process.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        if self._stopping:
            return
        pid = os.fork()
        if not pid:
            self._serve()
            sys.exit()
        self._alive.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def _serve(self) -> None:
        server = Server(application, self._listener)
        signal.signal(signal.SIGTERM, lambda *_: server.stop())
        # Ctrl-C reaches every process of a terminal; the parent says when to stop.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        server.run()


def main() -> None:
    # Bodies that do not fit into memory are kept beside the other uploads, not on a disk that may be memory itself.
    tempfile.tempdir = str(settings.FILE_UPLOAD_TEMP_DIR)
    try:
        listener = listen()
    except OSError as error:
        sys.exit(f"Cannot listen on {settings.HOST} port {settings.PORT}: {error.strerror}.")
    connections.close_all()
    # What is loaded stays shared between the processes: a collection would write to every object of it.
    gc.collect()
    gc.freeze()
    Processes(listener).run()


if __name__ == "__main__":
    main()
