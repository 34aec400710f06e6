"""Requests to a web server under test, and their times."""

import http.client
import socket
import time

import httpx

from .installation import Installation
from .slow_clients import Studio

CALLBACK = "/callbacks/luma/00000000-0000-0000-0000-000000000000/no-key/"

SOON = 5.0  # seconds; a server whose threads wait for such clients does not answer at all

MB = 1024**2


def seconds_for(web: Studio, times: int = 5) -> list[float]:
    """Return how long a page, a health check and a callback take, each on a separate connection."""
    took = []
    for _ in range(times):
        for method, path, status in (("GET", "/", 200), ("GET", "/healthz", 200), ("POST", CALLBACK, 404)):
            began = time.monotonic()
            answer = httpx.request(method, web.origin + path, headers={"Cookie": web.cookies}, timeout=10)
            took.append(time.monotonic() - began)
            assert answer.status_code == status, path
    return took


def answer_to(server: Installation, *sent: bytes, read_all: bool = True) -> tuple[int, bytes]:
    """Return status and body of the response to these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        for piece in sent:
            line.sendall(piece)
        answer = http.client.HTTPResponse(line)
        answer.begin()
        return answer.status, answer.read() if read_all else b""
