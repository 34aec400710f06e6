"""A platform for accounts on a real socket, whose answers the test sets."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from .serving import serve


class StubPlatform(ThreadingHTTPServer):
    """Answers every GET with `answer(path, query)`: a status and a JSON document or text; remembers the tokens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.status = 200
        self.applications: object = {"items": [{"remaining_amount": 12.5}]}
        self.charges: list[dict] = []
        self.tokens: list[str] = []
        self.queries: list[dict] = []
        serve(self)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, object]:
        if path == "/api/v1/applications/":
            return self.status, self.applications
        limit, offset = int(query["limit"]), int(query["offset"])
        return self.status, {"count": len(self.charges), "items": self.charges[offset : offset + limit]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StubPlatform

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.server.tokens.append(self.headers.get("Authorization", "").removeprefix("Bearer "))
        self.server.queries.append(query)
        status, document = self.server.answer(parts.path, query)
        body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
