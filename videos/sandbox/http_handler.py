"""HTTP mechanics: reading a request's body, sending a response, or dropping the connection."""

import json
import logging
import select
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .backend import Backend
from .errors import ApiError, bad_request

MAX_CHUNK_LINE = 200  # bytes
MAX_TRAILER_LINE = 1 << 12  # bytes
MAX_LENGTH_DIGITS = 15
POLL_SECONDS = 0.5  # between two checks that the client is still connected
log = logging.getLogger(__name__)


class BackendServer(ThreadingHTTPServer):
    """An HTTP server whose handlers reach the backend."""

    backend: Backend


class RequestHandler(BaseHTTPRequestHandler):
    """Everything but the routes; trace_id is new for every request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 75  # seconds that a kept connection may be silent between two requests
    trace_id: str
    server: BackendServer

    @property
    def backend(self) -> Backend:
        return self.server.backend

    @property
    def route(self) -> str:
        """Return the path without its query and trailing slashes."""
        return self.path.partition("?")[0].rstrip("/") or "/"

    def version_string(self) -> str:
        return "LumawebSandbox"

    def handle_expect_100(self) -> bool:
        should_continue = super().handle_expect_100()
        self.wfile.flush()  # responses are buffered, and the client waits for this one
        return should_continue

    def read_body(self, limit: int) -> bytes:
        """Read the whole body, by length or in chunks; raise ApiError 400 without one, 413 above limit bytes."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks(limit)
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True  # the end of this body, and so the next request, cannot be found
            raise bad_request("a body with a Content-Length is required")
        if len(length) > MAX_LENGTH_DIGITS or int(length) > limit:
            self.close_connection = True
            raise too_large(limit)
        return self.rfile.read(int(length))

    def ignore_body(self) -> None:
        """Close the connection after the response if there is a body, which would be read as the next request."""
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True

    def _read_chunks(self, limit: int) -> bytes:
        chunks: list[bytes] = []
        remaining = limit
        while True:
            try:
                size = int(self.rfile.readline(MAX_CHUNK_LINE).partition(b";")[0], 16)
            except ValueError as error:
                self.close_connection = True
                raise bad_request("the chunked body cannot be read") from error
            remaining -= size
            if remaining < 0 or size < 0:
                self.close_connection = True
                raise too_large(limit)
            chunks.append(self.rfile.read(size))
            if size == 0:
                while self.rfile.readline(MAX_TRAILER_LINE).strip():
                    pass
                return b"".join(chunks)
            self.rfile.readline(MAX_CHUNK_LINE)

    def wait(self, event: threading.Event | None, seconds: float) -> None:
        """Wait for an event, at most for some seconds and only while the client is connected."""
        deadline = time.monotonic() + seconds
        while (remaining := deadline - time.monotonic()) > 0:
            if event is not None and event.wait(min(remaining, POLL_SECONDS)):
                return
            if self.is_client_gone(0 if event else min(remaining, POLL_SECONDS)):
                self.close_connection = True
                return

    def is_client_gone(self, seconds: float = 0) -> bool:
        """Tell whether the client closes the connection within some seconds."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True

    def drop_connection(self) -> None:
        """Close the connection without a response."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def send_api_error(self, error: ApiError, **fields: str) -> None:
        self.send_json(error.status, {**fields, **error.body(self.trace_id)}, error.headers)

    def send_json(self, status: int, payload: Any, headers: dict[str, str] | None = None) -> None:
        self.send_content(status, "application/json", json.dumps(payload).encode(), headers)

    def send_page(self, status: int, title: str, headers: dict[str, str] | None = None) -> None:
        """Send an HTML page, as a gateway or a login wall does."""
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        self.send_content(status, "text/html", page.encode(), headers)

    def send_content(self, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        log.info(format, *args)


def too_large(limit: int) -> ApiError:
    return ApiError(413, "request_too_large", f"the body is larger than {limit} bytes")
