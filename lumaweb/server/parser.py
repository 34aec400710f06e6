"""Parse requests and limit their bodies by path before the application runs."""

import copy
import logging
import re
import threading

from django.conf import settings
from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

logger = logging.getLogger(__name__)

# Of all bodies in a process together. Above it, bodies over 1 MiB are refused.
MAX_TOTAL_BODY_BYTES = 1024**3
# Of a chunk's size line or the trailer of a chunked body.
MAX_FRAMING_BYTES = 8 * 1024
_total_lock = threading.Lock()  # the event loop receives bodies, threads close them


def body_limit(path: str, cookies: str) -> int:
    """Return the maximum size of a request's body in bytes, from its path and its Cookie header."""
    if path.startswith(settings.CALLBACK_PATH):
        return settings.CALLBACK_MAX_BYTES
    if path in settings.FRAME_PATHS and re.search(rf"(?:^|;\s*){re.escape(settings.SESSION_COOKIE_NAME)}=", cookies):
        return settings.FRAME_FORM_MAX_BYTES
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE


class Refusal(Error):
    """A refused request; its body is one plain-text sentence."""

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
        return f"{self.code} {self.reason}", headers, f"{self.body}\n".encode()


class TooLarge(Refusal):
    code, reason = 413, "Content Too Large"

    def __init__(self, limit: int) -> None:
        size = f"{limit // 1024**2} MB" if limit >= 1024**2 else f"{limit // 1024} KB"
        super().__init__(f"This is too large to send. The limit here is {size}.")


class StorageFull(Refusal):
    code, reason = 507, "Insufficient Storage"

    def __init__(self) -> None:
        super().__init__("The upload could not be stored. Ask an admin to check the free disk space.")


class TooManyBodies(Refusal):
    code, reason = 503, "Service Unavailable"

    def __init__(self) -> None:
        super().__init__("Too many uploads are in progress. Try again in a minute.")


class RequestParser(HTTPRequestParser):
    """waitress's request parser with a body limit for each path.

    waitress writes a body to disk before the application runs, so the application would refuse it too late.
    """

    adj: Adjustments
    limit = 0
    _counted_bytes = 0  # of this body, included in the total
    _total_body_bytes = 0  # of all bodies in this process; on the class

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError:  # a malformed URL or Content-Length
            raise ParsingError("The request cannot be read.") from None
        self.limit = body_limit(self.path, self.headers.get("COOKIE", ""))
        self.adj = _with_limit(self.adj, self.limit)

    def received(self, data: bytes) -> int:
        try:
            consumed = super().received(data)
        except OSError:  # from the temporary file of a large body
            logger.exception("the body of a request could not be stored")
            self.error, self.completed = StorageFull(), True
            return len(data)
        self._count(self.body_bytes_received)
        if isinstance(self.error, RequestEntityTooLarge):
            self.error = TooLarge(self.limit)
        elif not self.completed and self._framing() > MAX_FRAMING_BYTES:
            self.error, self.completed = BadRequest("The chunked body of this request cannot be parsed."), True
        elif (
            self._counted_bytes > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            and RequestParser._total_body_bytes > MAX_TOTAL_BODY_BYTES
        ):
            self.error, self.completed = TooManyBodies(), True
        return consumed

    def close(self) -> None:
        super().close()
        self._count(0)

    def _count(self, size: int) -> None:
        """Set how many bytes this body adds to the total of the process."""
        if size != self._counted_bytes:
            with _total_lock:
                RequestParser._total_body_bytes += size - self._counted_bytes
            self._counted_bytes = size

    def _framing(self) -> int:
        """Return the bytes of an unfinished chunk size line or trailer, which waitress does not limit."""
        return len(getattr(self.body_rcv, "control_line", b"")) + len(getattr(self.body_rcv, "trailer", b""))


def _with_limit(adjustments: Adjustments, limit: int) -> Adjustments:
    limited = copy.copy(adjustments)
    # waitress refuses a body of exactly this size, too.
    limited.max_request_body_size = limit + 1
    return limited
