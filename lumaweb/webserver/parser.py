"""What a request may be before the application sees it: the size of its body, by its path and by who sends it."""

import copy
import logging
import re
import threading

from django.conf import settings
from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

logger = logging.getLogger(__name__)

BODIES_AT_MOST = 1024**3  # bytes of all bodies that a process is receiving or serving; beyond it large ones are refused
FRAMING_AT_MOST = 8 * 1024  # bytes
_COUNTING = threading.Lock()  # bodies are received by the event loop and closed by threads


def body_limit(path: str, cookies: str) -> int:
    """Return the bytes that a request's body may have, from its path and its Cookie header."""
    if path.startswith(settings.CALLBACK_PATH):
        return settings.CALLBACK_MAX_BYTES
    if path in settings.FRAME_PATHS and re.search(rf"(?:^|;\s*){re.escape(settings.SESSION_COOKIE_NAME)}=", cookies):
        return settings.FRAME_FORM_MAX_BYTES
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE


class Refusal(Error):
    """A body that is not taken, as an answer in words."""

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
        return f"{self.code} {self.reason}", headers, f"{self.body}\n".encode()


class TooLarge(Refusal):
    code, reason = 413, "Content Too Large"

    def __init__(self, limit: int) -> None:
        size = f"{limit // 1024**2} MB" if limit >= 1024**2 else f"{limit // 1024} KB"
        super().__init__(f"This is too large to send: at most {size} are taken here.")


class NoRoom(Refusal):
    code, reason = 507, "Insufficient Storage"

    def __init__(self) -> None:
        super().__init__("This could not be stored here. Tell your admin that the disk may be full.")


class TooManyBodies(Refusal):
    code, reason = 503, "Service Unavailable"

    def __init__(self) -> None:
        super().__init__("Too many uploads are under way at the moment. Nothing is lost: try again in a minute.")


class RequestParser(HTTPRequestParser):
    """waitress's parser with a limit for each path instead of one for all.

    waitress keeps a body on the disk before the application runs, which could only refuse what is there already.
    """

    limit = 0
    _kept = 0  # bytes of the body that count for all bodies of this process
    _all_kept = 0  # of the class

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError:  # of an address or a length that is none
            raise ParsingError("The request cannot be read.") from None
        self.limit = body_limit(self.path, self.headers.get("COOKIE", ""))
        self.adj = _with_limit(self.adj, self.limit)

    def received(self, data: bytes) -> int:
        try:
            consumed = super().received(data)
        except OSError:  # of the file that a large body is kept in
            logger.exception("the body of a request could not be kept")
            self.error, self.completed = NoRoom(), True
            return len(data)
        self._count(self.body_bytes_received)
        if isinstance(self.error, RequestEntityTooLarge):
            self.error = TooLarge(self.limit)
        elif not self.completed and self._framing() > FRAMING_AT_MOST:
            self.error, self.completed = BadRequest("The chunks of this request cannot be read."), True
        elif self._kept > settings.DATA_UPLOAD_MAX_MEMORY_SIZE and RequestParser._all_kept > BODIES_AT_MOST:
            self.error, self.completed = TooManyBodies(), True
        return consumed

    def close(self) -> None:
        super().close()
        self._count(0)

    def _count(self, size: int) -> None:
        """Count so many bytes of this body among all of them."""
        if size != self._kept:
            with _COUNTING:
                RequestParser._all_kept += size - self._kept
            self._kept = size

    def _framing(self) -> int:
        """The bytes of a chunk's size or of the trailer, which waitress gathers in memory without a limit."""
        return len(getattr(self.body_rcv, "control_line", b"")) + len(getattr(self.body_rcv, "trailer", b""))


def _with_limit(adjustments: Adjustments, limit: int) -> Adjustments:
    limited = copy.copy(adjustments)
    # waitress refuses from this number on.
    limited.max_request_body_size = limit + 1
    return limited
