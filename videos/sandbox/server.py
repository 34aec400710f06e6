"""HTTP on loopback: the routes of the API, of the media, and who may call them."""

import hashlib
import logging
import re
import sys
from http.server import ThreadingHTTPServer

from .exchange import Exchange
from .ledger import new_id
from .lookups import look_up
from .media import send_media
from .studio import Studio
from .submission import submit
from .wire import Refusal, read_json_object, too_many_requests

TOKEN = re.compile(r"sandbox(-.+)?")
LIMITED = "sandbox-limited"
LARGEST_JSON = 1 << 20
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


class Handler(Exchange):
    """Routes."""

    def do_GET(self) -> None:
        self.trace_id = new_id()
        self.ignore_body()
        if self.path.startswith("/media/"):
            send_media(self, self.studio)
        elif self.route in ("/", "/healthz"):
            self.answer(200, {"provider": "sandbox"})
        else:
            self.refuse(self._no_api())

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.trace_id = new_id()
        try:
            self._post()
        except Refusal as refusal:
            self.refuse(refusal)

    def do_PUT(self) -> None:
        self.trace_id = new_id()
        self.ignore_body()
        self.refuse(self._no_api())

    do_PATCH = do_DELETE = do_OPTIONS = do_PUT

    def _post(self) -> None:
        if self.route not in ("/luma/videos", "/luma/tasks"):
            self.ignore_body()
            raise self._no_api()
        body = self.read_body(LARGEST_JSON)
        token = self._token()
        token_hash = hashlib.sha256(token.encode()).hexdigest()
        payload = read_json_object(body)
        if self.route == "/luma/videos":
            submit(self, payload, token, token_hash)
        else:
            look_up(self, payload, token_hash)

    def _token(self) -> str:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refusal(401, "no_token", "an Authorization header with a Bearer token is required")
        if not TOKEN.fullmatch(token):
            raise Refusal(401, "invalid_token", "the token is not valid")
        if token == LIMITED:
            raise too_many_requests()
        return token

    def _no_api(self) -> Refusal:
        return Refusal(404, "no_api", f"there is no API at {self.route}")
