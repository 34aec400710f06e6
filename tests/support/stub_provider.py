"""A provider on a real socket, whose answers the test sets."""

import itertools
import json
import threading
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .serving import serve


@dataclass(frozen=True)
class Upload:
    """One multipart POST, and the link that the provider returns."""

    path: str
    token: str
    body: bytes
    url: str


class StubProvider(ThreadingHTTPServer):
    """Answers every POST after `seconds` with `answer(path, body)`: a status and a JSON document; remembers them.

    A document that is None is a gateway's page.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seconds = 0.0
        self.cut = False  # take the request and hang up
        self.headers: dict[str, str] = {}  # of every answer to a POST
        self.posts: list[dict] = []
        self.files: dict[str, bytes] = {}
        self.uploads: list[Upload] = []
        self.upload_seconds = 0.0
        self._numbers = itertools.count(1)
        self.most_at_once = self._at_once = 0
        self.lock = threading.Lock()
        serve(self)

    def answer(self, path: str, body: dict) -> tuple[int, dict]:
        return 200, {"task_id": str(uuid.uuid4())}

    def answer_upload(self, path: str, url: str) -> tuple[int, dict] | None:
        """Return the answer to an uploaded file, with `url` as its link; None closes the connection."""
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7 * 86400))
        return 200, {"success": True, "url": url, "expires_at": expires}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        provider = self.server
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Type"].startswith("multipart/form-data"):
            self.upload(content)
            return
        body = json.loads(content)
        with provider.lock:
            provider.posts.append(body)
            provider._at_once += 1
            provider.most_at_once = max(provider.most_at_once, provider._at_once)
        time.sleep(provider.seconds)
        with provider.lock:
            provider._at_once -= 1
        if provider.cut:
            self.close_connection = True
            return
        status, document = provider.answer(self.path, body)
        if document is None:
            self.reply(status, b"<html><h1>Gateway</h1></html>", "text/html", provider.headers)
        else:
            self.reply(status, json.dumps(document).encode(), "application/json", provider.headers)

    def upload(self, content: bytes) -> None:
        provider = self.server
        url = f"https://cdn.example.com/uploads/{next(provider._numbers)}.jpg"
        with provider.lock:
            provider.uploads.append(Upload(self.path, self.headers["Authorization"], content, url))
        time.sleep(provider.upload_seconds)
        answer = provider.answer_upload(self.path, url)
        if answer is None:
            self.close_connection = True
            return
        self.reply(answer[0], json.dumps(answer[1]).encode(), "application/json")

    def do_GET(self) -> None:
        data = self.server.files.get(self.path)
        self.reply(404 if data is None else 200, data or b"", "application/octet-stream")

    def reply(self, status: int, data: bytes, content_type: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args) -> None:
        """Write no access log."""
