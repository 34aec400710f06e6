"""One process of the web server: waitress, made to hold against clients that are slow, silent or many."""

import resource
import socket
import time
from collections.abc import Callable

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from .parser import Refusal, RequestParser

THREADS = 6
BACKLOG = 1024
CONNECTIONS_AT_MOST = 1000  # each costs the event loop about a microsecond or two whenever anything happens
FILES_BESIDES = 200  # descriptors for everything but connections: the database, logs, files that are read
SILENCE = 120  # seconds without a byte in either direction, after which a connection is closed
TURN = 1024**2  # bytes that one connection is sent before the others have their turn
PIECE = 256 * 1024  # bytes of a file that are read at once
LINGER = 5.0  # seconds in which the rest of a refused body is read, so that its sender sees the answer
STOPPING = 8.0  # seconds for answers that are under way; less than the supervisor's patience


class Task(WSGITask):
    """waitress's task, which would send a body to HEAD, and close the connection after each 204 and 304."""

    def write(self, data: bytes) -> None:
        super().write(b"" if self.request.command == "HEAD" else data)

    def set_close_on_finish(self) -> None:
        wanted = self.version == "1.0" or self.request.headers.get("CONNECTION", "").lower() == "close"
        if self.has_body or wanted:
            super().set_close_on_finish()


class Channel(HTTPChannel):
    """One connection."""

    parser_class = RequestParser
    task_class = Task
    _turn = TURN
    _refuses = False
    _lingers_until = 0.0

    def __init__(self, server: "Server", sock: socket.socket, addr, adj: Adjustments, map=None) -> None:
        super().__init__(server, sock, addr, adj, map=map)
        # A slow client takes a little at a time: what is read beyond it would be read again.
        self.sendbuf_len = min(self.sendbuf_len, PIECE)

    @property
    def is_idle(self) -> bool:
        """Whether nobody would miss an answer if this connection were closed."""
        return not self.requests and not self.total_outbufs_len

    @property
    def is_silent(self) -> bool:
        """Whether no byte has come or gone for too long. A thread may wait for such a client, and is freed."""
        return self.last_activity < time.time() - SILENCE and (not self.requests or bool(self.total_outbufs_len))

    def _flush_some(self, do_close: bool = True) -> bool:
        self._turn = TURN
        return super()._flush_some(do_close=do_close)

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send as much as the socket takes, or nothing once this connection has had its turn."""
        if self._turn <= 0:
            return 0
        sent = super().send(data, do_close=do_close)
        self._turn -= sent
        return sent

    def handle_expt(self) -> None:
        """Close the connection of a client that sends urgent data, which HTTP does not have."""
        self.handle_close()

    def received(self, data: bytes) -> bool:
        """Take what was received, up to the end of one request; return whether it was taken.

        A client that does not wait for an answer before its next request gets this one and has to connect again:
        requests that queue on a connection would hold a thread while their answers are not read.
        """
        if self._lingers_until:
            return self._dropped()
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
        self._refuses = isinstance(self.requests[0].error, Refusal)
        super().service()

    def _dropped(self) -> bool:
        if self.has_lingered:
            self.handle_close()
        return True

    @property
    def has_lingered(self) -> bool:
        """Whether the sender of a refused body has had its time to see the answer."""
        return 0 < self._lingers_until < time.time()

    def handle_close(self) -> None:
        """Close the connection; after a refusal once its sender has stopped or had its time.

        A socket that is closed with bytes unread resets the connection, which takes the answer away from the sender.
        """
        if self.request is not None:
            self.request.close()
        if not self._refuses or not self.connected or self._lingers_until:
            super().handle_close()
            return
        self._lingers_until = time.time() + LINGER
        self.will_close = False
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:  # the sender has gone already
            super().handle_close()


class Server(TcpWSGIServer):
    """All connections of this process, until `stop` is called."""

    channel_class = Channel

    def __init__(self, application: Callable, listener: socket.socket) -> None:
        adjustments = Adjustments(
            sockets=[listener],
            threads=THREADS,
            ident=None,
            # What a proxy may say is Django's to read, in lumaweb/settings.py.
            clear_untrusted_proxy_headers=False,
            asyncore_use_poll=True,
            backlog=BACKLOG,
            cleanup_interval=5,
            # Never reached: `handle_accept` makes room before.
            connection_limit=10 * CONNECTIONS_AT_MOST,
            log_socket_errors=False,
            # Kept in memory for each connection, and beyond that on the disk.
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
        self._most = min(CONNECTIONS_AT_MOST, (_raise_descriptor_limit() - FILES_BESIDES) // 2)
        self._ends = 0.0

    def handle_accept(self) -> None:
        """Accept a connection, in the place of the one that has been idle for longest if there are too many."""
        if len(self.active_channels) >= self._most:
            idle = [channel for channel in self.active_channels.values() if channel.is_idle]
            # With none that is idle, a download that is not read, or the slowest one.
            min(idle or self.active_channels.values(), key=lambda channel: channel.last_activity).handle_close()
        super().handle_accept()

    def maintenance(self, now: float) -> None:
        """Close the connections that have been silent for too long."""
        for channel in list(self.active_channels.values()):
            if channel.is_silent or channel.has_lingered:
                channel.will_close = True

    def run(self) -> None:
        """Serve until `stop` is called, then finish the answers that are under way."""
        while not self._ends or (time.monotonic() < self._ends and self._has_work()):
            if self._ends and self.accepting:
                self._stop_accepting()
            self.asyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)
        self.task_dispatcher.shutdown(timeout=1)

    def stop(self) -> None:
        """Stop soon. May be called by a signal handler."""
        self._ends = self._ends or time.monotonic() + STOPPING
        self.pull_trigger()

    def _stop_accepting(self) -> None:
        self.accepting = False
        self.del_channel()
        self.socket.close()

    def _has_work(self) -> bool:
        return any(not channel.is_idle or channel.request for channel in self.active_channels.values())


def _raise_descriptor_limit() -> int:
    """Let this process open as many files as it may; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS_AT_MOST + FILES_BESIDES
    if soft < wanted or soft == resource.RLIM_INFINITY:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
