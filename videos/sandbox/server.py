"""HTTP on loopback: /luma/videos, /luma/tasks and the media."""

import hashlib
import json
import logging
import re
import select
import socket
import sys
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .faults import UNACCEPTED_GATEWAY
from .ledger import Task, new_id
from .media import send_media
from .studio import Studio
from .wire import Refusal, Wish, bad_request, read_json_object, read_wish

TOKEN = re.compile(r"sandbox(-.+)?")
USED_UP, LIMITED = "sandbox-used-up", "sandbox-limited"
LARGEST_BODY = 1 << 20
LARGEST_BATCH = 500
LONGEST_HANG = 900.0
EARLY_PATIENCE = 25.0
GATEWAY_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
log = logging.getLogger(__name__)


class SandboxServer(ThreadingHTTPServer):
    """One thread per connection: most of them only wait."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    studio: Studio

    def __init__(self, port: int):
        super().__init__(("127.0.0.1", port), Handler)
        self.base_url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address) -> None:
        log.debug("connection from %s ended: %s", client_address, sys.exc_info()[1])


class Handler(BaseHTTPRequestHandler):
    server: SandboxServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 75  # seconds a kept connection may be silent between two requests

    def version_string(self) -> str:
        return "LumawebSandbox"

    def handle_expect_100(self) -> bool:
        go_on = super().handle_expect_100()
        self.wfile.flush()  # our answers are buffered, and the client waits for this one
        return go_on

    def do_GET(self) -> None:
        self.trace_id = new_id()
        if self.path.startswith("/media/"):
            send_media(self, self.server.studio)
        elif self.path in ("/", "/healthz"):
            self.answer(200, {"provider": "sandbox"})
        else:
            self.answer(404, {"error": {"code": "not_found", "message": "no such page"}, "trace_id": self.trace_id})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.trace_id = new_id()
        try:
            body = self._body()
            token_hash = self._token_hash()
            path = self.path.partition("?")[0].rstrip("/")
            if path == "/luma/videos":
                self._videos(read_json_object(body), token_hash)
            elif path == "/luma/tasks":
                self._tasks(read_json_object(body), token_hash)
            else:
                raise Refusal(400, "api_not_implemented", f"{self.path} is not implemented")
        except Refusal as refusal:
            self._refuse(refusal)

    def _videos(self, payload: dict[str, Any], token_hash: str) -> None:
        studio = self.server.studio
        try:
            if self._token == USED_UP:
                raise Refusal(403, "used_up", "the balance of this token is used up")
            wish = read_wish(payload)
            faults = studio.draw_faults(wish.prompt)
            if "refuse" in faults:
                raise Refusal(403, "forbidden", "the prompt was refused by moderation")
            if "limit" in faults:
                raise _too_many()
            if UNACCEPTED_GATEWAY in faults:
                studio.ledger.answered(studio.ledger.receive(token_hash, payload, self.trace_id), 502)
                return self._gateway()
            task = studio.plan(wish, payload, token_hash, self.trace_id, faults)
        except Refusal as refusal:
            studio.ledger.answered(studio.ledger.receive(token_hash, payload, self.trace_id), refusal.status)
            raise
        post = studio.ledger.accept(token_hash, payload, self.trace_id, task)
        finished, delivered = studio.begin(task)
        if "early" in faults and wish.callback_url:
            self._wait(delivered, EARLY_PATIENCE)
        time.sleep(max(0.0, task.created_at + studio.options.accept_seconds - time.time()))
        answered = partial(studio.ledger.answered, post)
        if self._client_is_gone():
            answered(0)  # else the ledger would speak of an answer that nobody can have had
            self.close_connection = True
        elif "hang" in faults:
            answered(0)
            self._wait(None, LONGEST_HANG)
            self.close_connection = True
        elif "drop" in faults:
            answered(0)
            self._cut()
        elif "error" in faults:
            answered(500)
            self._refuse(Refusal(500, "api_error", "the provider failed"))
        elif "gateway" in faults:
            answered(502)
            self._gateway()
        elif wish.answers_at_once:
            answered(200)
            self.answer(200, {"task_id": task.id})
        else:
            self._wait(finished, wish.timeout)
            self._answer_in_full(studio.ledger.task(task.id), wish, answered)

    def _answer_in_full(self, task: Task, wish: Wish, answered) -> None:
        if (result := self.server.studio.result(task)) is None:
            answered(504)
            self._refuse(Refusal(504, "timeout", f"no result within {wish.timeout:g} seconds"), task_id=task.id)
            return
        code = "" if result["success"] else result["error"]["code"]
        status = {"": 200, "bad_request": 400}.get(code, 500)
        answered(status)
        self.answer(status, result)

    def _tasks(self, payload: dict[str, Any], token_hash: str) -> None:
        studio = self.server.studio
        if studio.draw_lookup_fault():
            raise Refusal(500, "api_error", "the provider failed")
        match payload.get("action", "retrieve"):
            case "retrieve":
                if not isinstance(task_id := payload.get("id"), str) or not task_id:
                    raise bad_request("id is required")
                found = self._find([task_id], token_hash)
                self.answer(200, found[0] if found else {})
            case "retrieve_batch":
                ids = payload.get("ids")
                if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
                    raise bad_request("ids must be a list of strings")
                if len(ids) > LARGEST_BATCH:
                    raise bad_request(f"at most {LARGEST_BATCH} ids at once")
                items = self._find(list(dict.fromkeys(ids)), token_hash)
                self.answer(200, {"items": items, "count": len(items)})
            case action:
                raise Refusal(400, "api_not_implemented", f"action {action!r} is not implemented")

    def _find(self, ids: list[str], token_hash: str) -> list[dict[str, Any]]:
        """The contract's view of those tasks that exist and were made with this token."""
        tasks = [self.server.studio.ledger.task(one) for one in ids if re.fullmatch(r"[0-9a-fA-F-]{36}", one)]
        return [self._task(task) for task in tasks if task and task.token_hash == token_hash]

    def _task(self, task: Task) -> dict[str, Any]:
        shown = {
            "id": task.id,
            "created_at": task.created_at,
            "trace_id": task.trace_id,
            "request": task.request,
        }
        if result := self.server.studio.result(task):
            shown |= {"finished_at": task.finished_at, "response": result}
        return shown

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or len(length) > 9 or int(length) > LARGEST_BODY:
            self.close_connection = True  # what follows on this connection cannot be told from the body
            raise bad_request(f"a body with a Content-Length of at most {LARGEST_BODY} is required")
        return self.rfile.read(int(length))

    def _token_hash(self) -> str:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        self._token = token.strip()
        if scheme.lower() != "bearer" or not self._token:
            raise Refusal(401, "no_token", "an Authorization header with a Bearer token is required")
        if not TOKEN.fullmatch(self._token):
            raise Refusal(401, "invalid_token", "the token is not valid")
        if self._token == LIMITED:
            raise _too_many()
        return hashlib.sha256(self._token.encode()).hexdigest()

    def _wait(self, event, seconds: float) -> None:
        """Wait for an event, for at most so long, and no longer than the client does."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if event is not None and event.wait(min(left, 0.5)):
                return
            if self._client_is_gone(0 if event else min(left, 0.5)):
                self.close_connection = True
                return

    def _client_is_gone(self, seconds: float = 0) -> bool:
        readable, _, _ = select.select([self.connection], [], [], seconds)
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _gateway(self) -> None:
        self._send(502, "text/html", GATEWAY_PAGE)

    def _refuse(self, refusal: Refusal, **more: str) -> None:
        headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after is not None else {}
        self.answer(refusal.status, {**more, **refusal.body(self.trace_id)}, headers)

    def answer(self, status: int, payload: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(payload).encode(), headers)

    def _send(self, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args) -> None:
        log.info(format, *args)


def _too_many() -> Refusal:
    return Refusal(429, "too_many_requests", "too many requests, try again later", retry_after=2)
