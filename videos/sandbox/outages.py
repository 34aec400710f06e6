"""Requests during an outage: cut connections, and the error pages of a gateway."""

import json
import math
import random

from .accounts import Account, parse_bearer_token
from .control import OUTAGES
from .errors import ApiError
from .http_handler import RequestHandler
from .video_request import Payload


def begin_outage(handler: RequestHandler, payload: Payload, account: Account, faults: frozenset[str]) -> None:
    """Begin an outage of a random kind with this request, which is not accepted."""
    kind = random.choice(OUTAGES)
    handler.backend.control.change({"outage": kind})
    handler.backend.ledger.record_rejected(account.hash, payload, handler.trace_id, _status(kind), faults)
    send_outage(handler, kind)


def send_outage(handler: RequestHandler, kind: str) -> None:
    """Answer as a gateway whose provider is down, or cut the connection."""
    match kind:
        case "refused":
            handler.drop_connection()
        case "502":
            handler.send_page(502, "502 Bad Gateway")
        case _:
            seconds = math.ceil(handler.backend.control.outage_seconds_left())
            handler.send_page(503, "503 Service Unavailable", {"Retry-After": str(seconds)})


def record_unanswered(handler: RequestHandler, body: bytes, kind: str) -> None:
    """Record a request for a video that arrives during an outage, if it can be read."""
    try:
        payload = json.loads(body)
        account = Account(parse_bearer_token(handler.headers.get("Authorization", "")))
    except (ValueError, RecursionError, ApiError):
        return
    request = payload if isinstance(payload, dict) else {}
    handler.backend.ledger.record_rejected(account.hash, request, handler.trace_id, _status(kind), ())


def _status(kind: str) -> int:
    """Return the status of the ledger for an outage; 0 means that the connection is cut."""
    return 0 if kind == "refused" else int(kind)
