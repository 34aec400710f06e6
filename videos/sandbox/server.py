"""The HTTP server on loopback: routes, authentication, and closing the port during an outage."""

import logging
import socket
import sys
import threading
from typing import Any

from .accounts import Account, authenticate
from .billing import APPLICATIONS, USAGE, send_billing
from .errors import ApiError
from .http_handler import BackendServer, RequestHandler
from .ids import new_id
from .lookups import look_up
from .media import send_media
from .outages import record_unanswered, send_outage
from .submission import submit
from .uploads import API_UPLOAD, MAX_FORM_SIZE, PLATFORM_UPLOAD, send_upload, upload
from .video_request import parse_json_object

# Bytes of a body, for each operation.
MAX_BODY_SIZE = {
    "/luma/videos": 1 << 20,
    "/luma/tasks": 1 << 20,
    API_UPLOAD: MAX_FORM_SIZE,
    PLATFORM_UPLOAD: MAX_FORM_SIZE,
}
POLL_SECONDS = 0.1  # between two checks for the server's shutdown
log = logging.getLogger(__name__)


class SandboxServer(BackendServer):
    """One thread per connection: most of them only wait."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), ApiHandler)
        self.base_url = f"http://127.0.0.1:{self.server_port}"
        self._listener: threading.Thread | None = None

    def listen(self) -> None:
        """Accept connections in a thread."""
        self._listener = threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), name="http", daemon=True)
        self._listener.start()

    def close_listener(self) -> None:
        """Refuse new connections; open ones stay open."""
        if self._listener is not None:
            self.shutdown()
            self.socket.close()
            self._listener = None

    def apply_outage(self) -> None:
        """Close or reopen the port as the control file says."""
        if self.backend.control.outage() == "refused":
            self.close_listener()
        elif self._listener is None:
            self.socket = socket.socket(self.address_family, self.socket_type)
            try:
                self.server_bind()
                self.server_activate()
            except OSError as error:  # the next call tries again
                self.socket.close()
                log.warning("cannot listen again: %s", error.strerror)
            else:
                self.listen()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("connection from %s ended: %s", client_address, sys.exc_info()[1])


class ApiHandler(RequestHandler):
    """The routes of the API and of its media."""

    def do_GET(self) -> None:
        self.trace_id = new_id()
        self.ignore_body()
        try:
            self._get()
        except ApiError as error:
            self.send_api_error(error)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.trace_id = new_id()
        try:
            self._post()
        except ApiError as error:
            self.send_api_error(error)

    def do_PUT(self) -> None:
        self.trace_id = new_id()
        self.ignore_body()
        self.send_api_error(self._no_api())

    do_PATCH = do_DELETE = do_OPTIONS = do_PUT

    def _get(self) -> None:
        if self.path.startswith("/media/"):
            send_media(self)
        elif self.path.startswith("/files/"):
            send_upload(self, self._account().hash)
        elif self.route in ("/", "/healthz"):
            self.send_json(200, {"provider": "sandbox"})
        elif self.route in (APPLICATIONS, USAGE):
            if kind := self.backend.control.outage():
                send_outage(self, kind)
            else:
                send_billing(self)
        else:
            raise self._no_api()

    def _post(self) -> None:
        if (limit := MAX_BODY_SIZE.get(self.route)) is None:
            self.ignore_body()
            raise self._no_api()
        body = self.read_body(limit)
        if kind := self.backend.control.outage():
            if self.route == "/luma/videos":
                record_unanswered(self, body, kind)
            return send_outage(self, kind)
        account = self._account()
        if self.route in (API_UPLOAD, PLATFORM_UPLOAD):
            upload(self, body, account.hash)
        elif self.route == "/luma/videos":
            submit(self, parse_json_object(body), account)
        else:
            look_up(self, parse_json_object(body), account.hash)

    def _account(self) -> Account:
        return authenticate(self.headers.get("Authorization", ""), self.backend.ledger, self.backend.control)

    def _no_api(self) -> ApiError:
        return ApiError(404, "no_api", f"there is no API at {self.route}")
