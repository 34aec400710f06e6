"""Findings of the doctor, and a proxy that changes requests on their way."""

import ssl
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from .serving import serve
from .stub_provider import StubProvider


def said_by(check, *args) -> str:
    """Return all findings of a check, as printed."""
    return "\n".join(f"{finding.level}: {finding.message} {finding.fix}".strip() for finding in check(*args))


# ── Tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Refusing(StubProvider):
    """A provider that knows one token."""

    def answer(self, path, body):
        assert path == "/luma/tasks", "a look-up is free; nothing else is asked"
        return 200, {}


# ── The public address ───────────────────────────────────────────────────────────────────────────────────────────────


class Front(ThreadingHTTPServer):
    """A proxy on a real socket in front of the server, which changes requests like a misconfigured one."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.behind = urlsplit(behind)
        self.url = f"http://localhost:{self.server_port}"

    def __enter__(self) -> "Front":
        serve(self)
        return self

    def __exit__(self, *error) -> None:
        self.shutdown()
        self.server_close()

    def meddle(self, method: str, path: str, body: bytes) -> bytes | tuple[int, dict, bytes]:
        """Return the body to pass on, or the response to send instead."""
        return body

    def dress(self, headers: dict) -> dict:
        return headers

    def forward(self, headers: dict) -> dict:
        """Return the headers to pass on: those of a proxy that is configured correctly."""
        return headers


class _Passing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server.meddle(self.command, self.path, body)
        if isinstance(answer, bytes):
            behind = HTTPConnection(self.server.behind.hostname, self.server.behind.port, timeout=20)
            scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
            headers = {"Host": self.headers["Host"], "X-Forwarded-Proto": scheme}
            headers |= {"Content-Type": self.headers.get("Content-Type") or "text/plain"}
            behind.request(self.command, self.path, answer or None, self.server.forward(headers))
            got = behind.getresponse()
            answer = got.status, dict(got.getheaders()), got.read()
            behind.close()
        status, headers, body = answer
        # The body is complete here, also if the server sent it in chunks.
        dropped = ("content-length", "connection", "transfer-encoding")
        headers = {name: value for name, value in headers.items() if name.lower() not in dropped}
        self.send_response_only(status)
        for name, value in self.server.dress(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args) -> None:
        pass
