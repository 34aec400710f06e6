"""HTTP on loopback: the routes of the API, of the media, and who may call them."""

import logging
import socket
import sys
import threading
from http.server import ThreadingHTTPServer
from typing import Any

from .accounts import Account, authenticate
from .backend import Backend
from .billing import APPLICATIONS, USAGE, send_billing
from .contract import ApiError, read_json_object
from .http_handler import RequestHandler
from .ledger import new_id
from .lookups import look_up
from .media import send_media
from .submission import answer_outage, note_unanswered, submit
from .uploads import API_UPLOAD, LARGEST_FORM, PLATFORM_UPLOAD, send_upload, upload

# Bytes of a body, for each operation.
LARGEST_BODY = {
    "/luma/videos": 1 << 20,
    "/luma/tasks": 1 << 20,
    API_UPLOAD: LARGEST_FORM,
    PLATFORM_UPLOAD: LARGEST_FORM,
}
POLL_SECONDS = 0.1  # between two looks for the end of the server
log = logging.getLogger(__name__)


class SandboxServer(ThreadingHTTPServer):
    """One thread per connection: most of them only wait."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    backend: Backend

    def __init__(self, port: int):
        super().__init__(("127.0.0.1", port), Handler)
        self.base_url = f"http://127.0.0.1:{self.server_port}"
        self._listener: threading.Thread | None = None

    def listen(self) -> None:
        """Accept connections in a thread of its own."""
        self._listener = threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), name="http", daemon=True)
        self._listener.start()

    def close_listener(self) -> None:
        """Refuse new connections; those that are open go on."""
        if self._listener is not None:
            self.shutdown()
            self.socket.close()
            self._listener = None

    def follow_outage(self) -> None:
        """Close or reopen the port as the control file says."""
        refused = self.backend.control.outage() == "refused"
        if refused:
            self.close_listener()
        elif self._listener is None:
            self.socket = socket.socket(self.address_family, self.socket_type)
            try:
                self.server_bind()
                self.server_activate()
            except OSError as error:  # tried again at the next look
                self.socket.close()
                log.warning("cannot listen again: %s", error.strerror)
            else:
                self.listen()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("connection from %s ended: %s", client_address, sys.exc_info()[1])


class Handler(RequestHandler):
    """Routes."""

    def do_GET(self) -> None:
        self.trace_id = new_id()
        self.ignore_body()
        try:
            self._get()
        except ApiError as refusal:
            self.refuse(refusal)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.trace_id = new_id()
        try:
            self._post()
        except ApiError as refusal:
            self.refuse(refusal)

    def do_PUT(self) -> None:
        self.trace_id = new_id()
        self.ignore_body()
        self.refuse(self._no_api())

    do_PATCH = do_DELETE = do_OPTIONS = do_PUT

    def _get(self) -> None:
        if self.path.startswith("/media/"):
            send_media(self)
        elif self.path.startswith("/files/"):
            send_upload(self, self._account().hash)
        elif self.route in ("/", "/healthz"):
            self.answer(200, {"provider": "sandbox"})
        elif self.route in (APPLICATIONS, USAGE):
            if kind := self.backend.control.outage():
                return answer_outage(self, kind)
            send_billing(self)
        else:
            raise self._no_api()

    def _post(self) -> None:
        if (limit := LARGEST_BODY.get(self.route)) is None:
            self.ignore_body()
            raise self._no_api()
        body = self.read_body(limit)
        if kind := self.backend.control.outage():
            return self._fail(kind, body)
        account = self._account()
        if self.route in (API_UPLOAD, PLATFORM_UPLOAD):
            upload(self, body, account.hash)
        elif self.route == "/luma/videos":
            submit(self, read_json_object(body), account)
        else:
            look_up(self, read_json_object(body), account.hash)

    def _fail(self, kind: str, body: bytes) -> None:
        """Answer as a gateway whose provider is away, or not at all."""
        if self.route == "/luma/videos":
            note_unanswered(self, body, 0 if kind == "refused" else int(kind))
        answer_outage(self, kind)

    def _account(self) -> Account:
        return authenticate(self.headers.get("Authorization", ""), self.backend.ledger, self.backend.control)

    def _no_api(self) -> ApiError:
        return ApiError(404, "no_api", f"there is no API at {self.route}")
