"""A provider in a few lines, on a real socket: what it answers is the test's own business."""

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class TinyProvider(ThreadingHTTPServer):
    """Answers every POST after `seconds` with `answer(path, body)`: a status and a JSON document; remembers them."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seconds = 0.0
        self.cut = False  # take the request and hang up
        self.posts: list[dict] = []
        self.files: dict[str, bytes] = {}
        self.most_at_once = self._at_once = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def answer(self, path: str, body: dict) -> tuple[int, dict]:
        return 200, {"task_id": str(uuid.uuid4())}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        provider = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
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
        self.reply(status, json.dumps(document).encode(), "application/json")

    def do_GET(self) -> None:
        data = self.server.files.get(self.path)
        self.reply(404 if data is None else 200, data or b"", "application/octet-stream")

    def reply(self, status: int, data: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args) -> None:
        """Tests need no access log."""
