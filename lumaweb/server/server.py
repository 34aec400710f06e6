"""One web process: waitress with limits for clients that are slow, idle or numerous."""

import resource
import socket
import time
from collections.abc import Callable
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from .parser import Refusal, RequestParser

THREADS = 6
BACKLOG = 1024
MAX_CONNECTIONS = 1000  # the event loop polls all of them at each event
RESERVED_DESCRIPTORS = 200  # file descriptors for the database, logs and temporary files
IDLE_TIMEOUT = 120  # seconds
BYTES_PER_TURN = 1024**2  # sent to one connection before the others are served
CHUNK_SIZE = 256 * 1024  # bytes
LINGER_TIMEOUT = 5.0  # seconds to discard the rest of a refused body
SHUTDOWN_TIMEOUT = 8.0  # seconds to finish responses; the supervisor kills after 12


class Task(WSGITask):
    """A waitress task that sends no body for HEAD and keeps the connection open after 204 and 304."""

    def write(self, data: bytes) -> None:
        super().write(b"" if self.request.command == "HEAD" else data)

    def set_close_on_finish(self) -> None:
        wanted = self.version == "1.0" or self.request.headers.get("CONNECTION", "").lower() == "close"
        if self.has_body or wanted:
            super().set_close_on_finish()


class Channel(HTTPChannel):
    """One connection."""

    sendbuf_len: int
    will_close: bool
    request: RequestParser | None
    parser_class = RequestParser
    task_class = Task
    _bytes_left_in_turn = BYTES_PER_TURN
    _is_refused = False
    _lingers_until = 0.0

    def __init__(self, server: "Server", sock: socket.socket, addr: Any, adj: Adjustments, map: Any = None) -> None:
        super().__init__(server, sock, addr, adj, map=map)
        # Data that the socket does not accept is read from the file again.
        self.sendbuf_len = min(self.sendbuf_len, CHUNK_SIZE)

    @property
    def is_idle(self) -> bool:
        """Whether this connection has no request in progress and no data to send."""
        return not self.requests and not self.total_outbufs_len

    @property
    def has_timed_out(self) -> bool:
        """Whether the client neither sent nor read anything for IDLE_TIMEOUT, even if a thread waits for it to read."""
        return self.last_activity < time.time() - IDLE_TIMEOUT and (not self.requests or bool(self.total_outbufs_len))

    def _flush_some(self, do_close: bool = True) -> bool:
        self._bytes_left_in_turn = BYTES_PER_TURN
        return super()._flush_some(do_close=do_close)

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send as much as the socket accepts; return 0 if this connection has used its turn."""
        if self._bytes_left_in_turn <= 0:
            return 0
        sent = super().send(data, do_close=do_close)
        self._bytes_left_in_turn -= sent
        return sent

    def handle_expt(self) -> None:
        """Close the connection of a client that sends urgent data, which HTTP does not have."""
        self.handle_close()

    def received(self, data: bytes) -> bool:
        """Parse at most one request; return False if the connection is about to close.

        waitress queues pipelined requests, and a thread then waits for the client to read each response. Here the
        server answers the first request and closes the connection.
        """
        if self._lingers_until:
            return self._discard()
        with self.requests_lock:
            if self.will_close or self.close_when_flushed:
                return False
            while data:
                if self.request is None:
                    self.request = self.parser_class(self.adj)
                request = self.request
                data = data[request.received(data) :]
                if request.completed:
                    self.request, self.sent_continue = None, False
                    if request.empty:
                        continue
                    if data:
                        request.headers["CONNECTION"] = "close"
                    self.requests.append(request)
                    self.server.add_task(self)
                    break
                if request.expect_continue and request.headers_finished and not self.sent_continue:
                    self.send_continue()
        return True

    # ── A refused body ────────────────────────────────────────────────────────────────────────────────────────

    def service(self) -> None:
        self._is_refused = isinstance(self.requests[0].error, Refusal)
        super().service()

    def _discard(self) -> bool:
        if self.has_lingered:
            self.handle_close()
        return True

    @property
    def has_lingered(self) -> bool:
        """Whether LINGER_TIMEOUT has passed since a request was refused."""
        return 0 < self._lingers_until < time.time()

    def handle_close(self) -> None:
        """Close the connection; after a refusal, wait until the client stops sending or LINGER_TIMEOUT passes.

        Closing a socket with unread data resets the connection, and the client may lose the response.
        """
        if self.request is not None:
            self.request.close()
        if not self._is_refused or not self.connected or self._lingers_until:
            super().handle_close()
            return
        self._lingers_until = time.time() + LINGER_TIMEOUT
        self.will_close = False
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:  # the client has disconnected
            super().handle_close()


class Server(TcpWSGIServer):
    """Serve all connections of this process until `stop` is called."""

    channel_class = Channel

    def __init__(self, application: Callable, listener: socket.socket) -> None:
        adjustments = Adjustments(
            sockets=[listener],
            threads=THREADS,
            ident=None,
            # Django decides which proxy headers to trust (lumaweb/settings.py).
            clear_untrusted_proxy_headers=False,
            asyncore_use_poll=True,
            backlog=BACKLOG,
            cleanup_interval=5,
            # Never reached: `handle_accept` closes another connection first.
            connection_limit=10 * MAX_CONNECTIONS,
            log_socket_errors=False,
            # Larger bodies go to a temporary file.
            inbuf_overflow=64 * 1024,
            max_request_header_size=32 * 1024,
            recv_bytes=64 * 1024,
        )
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(THREADS)
        super().__init__(
            application,
            map={},
            _sock=listener,
            dispatcher=dispatcher,
            adj=adjustments,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            bind_socket=False,
        )
        self._max_connections = min(MAX_CONNECTIONS, (_raise_descriptor_limit() - RESERVED_DESCRIPTORS) // 2)
        self._shutdown_deadline = 0.0

    def handle_accept(self) -> None:
        """Accept a connection; at the limit, first close the one with the oldest activity, idle ones before others."""
        if len(self.active_channels) >= self._max_connections:
            idle = [channel for channel in self.active_channels.values() if channel.is_idle]
            min(idle or self.active_channels.values(), key=lambda channel: channel.last_activity).handle_close()
        super().handle_accept()

    def maintenance(self, now: float) -> None:
        """Close connections that timed out."""
        for channel in list(self.active_channels.values()):
            if channel.has_timed_out or channel.has_lingered:
                channel.will_close = True

    def run(self) -> None:
        """Serve until `stop` is called, then finish the responses in progress for up to SHUTDOWN_TIMEOUT."""
        while not self._shutdown_deadline or (time.monotonic() < self._shutdown_deadline and self._has_work()):
            if self._shutdown_deadline and self.accepting:
                self._stop_accepting()
            self.asyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)
        self.task_dispatcher.shutdown(timeout=1)

    def stop(self) -> None:
        """Request a graceful stop. Safe to call from a signal handler."""
        self._shutdown_deadline = self._shutdown_deadline or time.monotonic() + SHUTDOWN_TIMEOUT
        self.pull_trigger()

    def _stop_accepting(self) -> None:
        self.accepting = False
        self.del_channel()
        self.socket.close()

    def _has_work(self) -> bool:
        return any(not channel.is_idle or channel.request for channel in self.active_channels.values())


def _raise_descriptor_limit() -> int:
    """Raise the soft limit of open files as far as this server needs; return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MAX_CONNECTIONS + RESERVED_DESCRIPTORS
    if soft < wanted or soft == resource.RLIM_INFINITY:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
