"""Serve one HTTP request: read it, answer it, or let the answer go missing."""

import json
import logging
import select
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

from .backend import Backend
from .contract import ApiError, bad_request

LONGEST_CHUNK_LINE = 200
log = logging.getLogger(__name__)


class RequestHandler(BaseHTTPRequestHandler):
    """HTTP mechanics without routes; trace_id is new for every request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 75  # seconds a kept connection may be silent between two requests
    trace_id: str

    @property
    def backend(self) -> Backend:
        return self.server.backend  # type: ignore[attr-defined]

    @property
    def route(self) -> str:
        """The path without its query and trailing slashes."""
        return self.path.partition("?")[0].rstrip("/") or "/"

    def version_string(self) -> str:
        return "LumawebSandbox"

    def handle_expect_100(self) -> bool:
        go_on = super().handle_expect_100()
        self.wfile.flush()  # answers are buffered, and the client waits for this one
        return go_on

    def read_body(self, limit: int) -> bytes:
        """Read the whole body, by length or in chunks; ApiError 400 without one, 413 above limit bytes."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks(limit)
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True  # the next request on this connection cannot be told from the body
            raise bad_request("a body with a Content-Length is required")
        if len(length) > 15 or int(length) > limit:
            self.close_connection = True
            raise too_large(limit)
        return self.rfile.read(int(length))

    def ignore_body(self) -> None:
        """End the connection after the answer if a body comes, which else would be read as the next request."""
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True

    def _read_chunks(self, limit: int) -> bytes:
        parts: list[bytes] = []
        left = limit
        while True:
            try:
                size = int(self.rfile.readline(LONGEST_CHUNK_LINE).partition(b";")[0], 16)
            except ValueError as error:
                self.close_connection = True
                raise bad_request("the chunked body cannot be read") from error
            left -= size
            if left < 0 or size < 0:
                self.close_connection = True
                raise too_large(limit)
            parts.append(self.rfile.read(size))
            if size == 0:
                while self.rfile.readline(1 << 12).strip():
                    pass  # trailers
                return b"".join(parts)
            self.rfile.readline(LONGEST_CHUNK_LINE)

    def wait(self, event: threading.Event | None, seconds: float) -> None:
        """Wait for an event at most so many seconds, and no longer than the client does."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if event is not None and event.wait(min(left, 0.5)):
                return
            if self.client_is_gone(0 if event else min(left, 0.5)):
                self.close_connection = True
                return

    def client_is_gone(self, seconds: float = 0) -> bool:
        readable, _, _ = select.select([self.connection], [], [], seconds)
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True

    def cut(self) -> None:
        """Close the connection without an answer."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def refuse(self, refusal: ApiError, **more: str) -> None:
        self.answer(refusal.status, {**more, **refusal.body(self.trace_id)}, refusal.headers)

    def answer(self, status: int, payload: Any, headers: dict[str, str] | None = None) -> None:
        self.send(status, "application/json", json.dumps(payload).encode(), headers)

    def answer_page(self, status: int, title: str, headers: dict[str, str] | None = None) -> None:
        """Answer as a gateway or a login wall does: with HTML."""
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        self.send(status, "text/html", page.encode(), headers)

    def send(self, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
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
