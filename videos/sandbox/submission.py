"""POST /luma/videos: accept or reject a request, and answer in one of the contract's three ways."""

import time
from functools import partial

from .accounts import Account
from .backend import TaskEvents
from .canned_responses import CannedResponse, find_canned_response
from .errors import ApiError
from .http_handler import RequestHandler
from .ledger import Task
from .outages import begin_outage
from .video_request import Payload, VideoRequest, parse_video_request

HANG_SECONDS = 900.0
EARLY_CALLBACK_TIMEOUT = 25.0  # seconds to wait for a callback that comes before the response


def submit(handler: RequestHandler, payload: Payload, account: Account) -> None:
    """Answer one request for a video; the ledger records the outcome before the client hears of it."""
    backend = handler.backend
    faults: frozenset[str] = frozenset()
    try:
        if account.is_used_up:
            raise ApiError(403, "used_up", "the balance of this token is used up")
        request = parse_video_request(payload)
        faults = backend.draw_faults(request.prompt)
        if "outage" in faults:
            return begin_outage(handler, payload, account, faults)
        canned = find_canned_response(faults)
        if canned and not canned.is_accepted:
            backend.ledger.record_rejected(account.hash, payload, handler.trace_id, canned.status, faults)
            return send_canned_response(handler, canned)
        task = backend.plan_task(request, payload, account.hash, handler.trace_id, faults)
        post = backend.ledger.record_accepted(task, partial(_check_limits, handler, account))
    except ApiError as error:
        backend.ledger.record_rejected(account.hash, payload, handler.trace_id, error.status, faults)
        raise
    events = backend.start(task)
    if "early" in faults and request.callback_url:
        handler.wait(events.delivered, EARLY_CALLBACK_TIMEOUT)
    time.sleep(max(0.0, task.created_at + backend.options.accept_seconds - time.time()))
    _respond(handler, request, task, post, events, canned)


def _check_limits(handler: RequestHandler, account: Account, running: int) -> None:
    """Raise ApiError if an account with so many running tasks may not have another one."""
    limit = handler.backend.control.concurrency(handler.backend.options.concurrency)
    if running >= limit:
        message = f"at most {limit} tasks of this account run at the same time"
        raise ApiError(429, "too_many_requests", message)
    account.check_first_request(handler.backend.ledger)


def _respond(
    handler: RequestHandler,
    request: VideoRequest,
    task: Task,
    post: int,
    events: TaskEvents,
    canned: CannedResponse | None,
) -> None:
    """Respond to an accepted request as its faults require, or not at all."""
    record = partial(handler.backend.ledger.record_response, post)
    if handler.is_client_gone():
        record(0)  # the ledger must not claim a response that nobody can have received
        handler.close_connection = True
    elif canned:
        record(canned.status, task.id if canned.names_task else None)
        send_canned_response(handler, canned, task.id)
    elif "hang" in task.faults:
        record(0)
        handler.wait(None, HANG_SECONDS)
        handler.close_connection = True
    elif "drop" in task.faults:
        record(0)
        handler.drop_connection()
    else:
        if not request.is_answered_at_once:
            handler.wait(events.finished, request.timeout)
        _send_result(handler, request, task, post)


def _send_result(handler: RequestHandler, request: VideoRequest, task: Task, post: int) -> None:
    """Send the whole result if the client waited for it and it is ready, otherwise the task id alone."""
    ledger = handler.backend.ledger
    named = ledger.previous_task_id(task) if "equal_id" in task.faults else task.id
    current = ledger.find(task.id)
    if request.is_answered_at_once or current is None or current.response is None:
        ledger.record_response(post, 200, named)
        # The provider uses both forms.
        handler.send_json(200, {"success": True, "task_id": named} if request.is_async else {"task_id": named})
        return
    code = "" if current.response["success"] else current.response["error"]["code"]
    status = {"": 200, "bad_request": 400}.get(code, 500)
    ledger.record_response(post, status, named)
    handler.send_json(status, {**(handler.backend.response(current) or {}), "task_id": named})


def send_canned_response(handler: RequestHandler, canned: CannedResponse, task_id: str = "") -> None:
    headers = {"Retry-After": str(canned.retry_after)} if canned.retry_after is not None else {}
    if canned.status in range(300, 400):
        headers["Location"] = f"{handler.backend.base_url}/login"
    if canned.page:
        handler.send_page(canned.status, canned.page, headers)
    elif canned.code:
        fields = {"task_id": task_id} if canned.names_task and task_id else {}
        handler.send_api_error(ApiError(canned.status, canned.code, canned.message, headers), **fields)
    else:
        handler.send_json(canned.status, {"success": True, "trace_id": handler.trace_id}, headers)
