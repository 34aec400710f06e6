"""POST /luma/videos: accept a request or refuse it, and answer in one of the contract's three ways."""

import json
import math
import random
import time
from functools import partial
from typing import Any

from .accounts import Account, bearer
from .canned_responses import CannedResponse, find_canned_response
from .contract import ApiError, VideoRequest, parse_video_request
from .control import OUTAGES
from .http_handler import RequestHandler
from .ledger import Task

LONGEST_HANG = 900.0
EARLY_PATIENCE = 25.0
Payload = dict[str, Any]


def submit(handler: RequestHandler, payload: Payload, account: Account) -> None:
    """Answer one request for a video; whatever comes of it is noted in the ledger first."""
    backend = handler.backend
    note = partial(backend.ledger.receive, account.hash, payload, handler.trace_id)
    faults: frozenset[str] = frozenset()
    try:
        if account.is_used_up:
            raise ApiError(403, "used_up", "the balance of this token is used up")
        request = parse_video_request(payload)
        faults = backend.draw_faults(request.prompt)
        if "outage" in faults:
            return _begin_outage(handler, note, faults)
        reply = find_canned_response(faults)
        if reply and not reply.accepted:
            note(reply.status, faults)
            return send_reply(handler, reply)
        task = backend.plan(request, payload, account.hash, handler.trace_id, faults)
        post = backend.ledger.accept(task, partial(_require_room, handler, account))
    except ApiError as refusal:
        note(refusal.status, faults)
        raise
    finished, delivered = backend.begin(task)
    if "early" in faults and request.callback_url:
        handler.wait(delivered, EARLY_PATIENCE)
    time.sleep(max(0.0, task.created_at + backend.options.accept_seconds - time.time()))
    answered = partial(backend.ledger.answered, post)
    if handler.client_is_gone():
        answered(0)  # else the ledger would name an answer that nobody can have received
        handler.close_connection = True
    elif reply:
        answered(reply.status, task.id if reply.names_task else None)
        send_reply(handler, reply, task.id)
    elif "hang" in faults:
        answered(0)
        handler.wait(None, LONGEST_HANG)
        handler.close_connection = True
    elif "drop" in faults:
        answered(0)
        handler.cut()
    else:
        if not request.answers_at_once:
            handler.wait(finished, request.timeout)
        _answer(handler, task, request, post)


def _require_room(handler: RequestHandler, account: Account, running: int) -> None:
    limit = handler.backend.control.concurrency(handler.backend.options.concurrency)
    if running >= limit:
        message = f"at most {limit} tasks of this account run at the same time"
        raise ApiError(429, "too_many_requests", message)
    account.require_first(handler.backend.ledger)


def _answer(handler: RequestHandler, task: Task, request: VideoRequest, post: int) -> None:
    """Answer with the task id alone, or with the whole result where the client waited for it and it is there."""
    ledger = handler.backend.ledger
    named = ledger.previous(task) if "equal_id" in task.faults else task.id
    current = ledger.task(task.id)
    if request.answers_at_once or current is None or current.response is None:
        ledger.answered(post, 200, named)
        # Both forms are seen at the provider.
        handler.answer(200, {"success": True, "task_id": named} if request.is_async else {"task_id": named})
        return
    code = "" if current.response["success"] else current.response["error"]["code"]
    status = {"": 200, "bad_request": 400}.get(code, 500)
    ledger.answered(post, status, named)
    handler.answer(status, {**(handler.backend.result(current) or {}), "task_id": named})


def send_reply(handler: RequestHandler, reply: CannedResponse, task_id: str = "") -> None:
    """Send an answer in place of the usual one."""
    headers = {"Retry-After": str(reply.retry_after)} if reply.retry_after is not None else {}
    if reply.status in range(300, 400):
        headers["Location"] = f"{handler.backend.base_url}/login"
    if reply.page:
        return handler.answer_page(reply.status, reply.page, headers)
    named = {"task_id": task_id} if reply.names_task and task_id else {}
    if reply.code:
        refusal = ApiError(reply.status, reply.code, reply.message, headers)
        handler.refuse(refusal, **named)
    else:
        handler.answer(reply.status, {"success": True, "trace_id": handler.trace_id}, headers)


def _begin_outage(handler: RequestHandler, note: partial[None], faults: frozenset[str]) -> None:
    kind = random.choice(OUTAGES)
    handler.backend.control.change({"outage": kind})
    note(0 if kind == "refused" else int(kind), faults)
    answer_outage(handler, kind)


def answer_outage(handler: RequestHandler, kind: str) -> None:
    """Answer as a gateway whose provider is away, or cut the connection."""
    match kind:
        case "refused":
            handler.cut()
        case "502":
            handler.answer_page(502, "502 Bad Gateway")
        case _:
            seconds = math.ceil(handler.backend.control.outage_seconds_left())
            handler.answer_page(503, "503 Service Unavailable", {"Retry-After": str(seconds)})


def note_unanswered(handler: RequestHandler, body: bytes, status: int) -> None:
    """Note a request that came during an outage; status 0 means that its connection is cut."""
    try:
        payload = json.loads(body)
        account = Account(bearer(handler.headers.get("Authorization", "")))
    except (ValueError, RecursionError, ApiError):
        return
    request = payload if isinstance(payload, dict) else {}
    handler.backend.ledger.receive(account.hash, request, handler.trace_id, status, ())
