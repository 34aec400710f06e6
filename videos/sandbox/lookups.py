"""POST /luma/tasks: one task, several by id, the list of an account's tasks, and deletion."""

import math
import re
from typing import Any

from .backend import Backend
from .errors import ApiError, bad_request, too_many_requests
from .faults import LISTING, LOOKUPS
from .http_handler import RequestHandler
from .ids import stable_id
from .ledger import Task
from .results import processing_response, running_fields
from .video_request import Payload

MAX_BATCH_SIZE = 500
DEFAULT_PAGE_SIZE = 20
MAX_OFFSET = 1 << 62  # SQLite's integers end at 2**63
TASK_ID = re.compile(r"[0-9a-fA-F-]{36}")


def look_up(handler: RequestHandler, payload: Payload, token_hash: str) -> None:
    """Answer by `action`, which may be absent; null counts as absent."""
    backend = handler.backend
    if fault := backend.draw_fault(LOOKUPS):
        return _send_fault(handler, fault)
    sent = {name: value for name, value in payload.items() if value is not None}
    match sent.get("action") or ("retrieve_batch" if "ids" in sent else "retrieve"):
        case "retrieve":
            found = _find(backend, [_task_id(sent)], token_hash)
            handler.send_json(200, describe(backend, found[0], with_data=True) if found else {})
        case "retrieve_batch" if "ids" in sent:
            items = [describe(backend, task) for task in _find(backend, _ids(sent), token_hash)]
            handler.send_json(200, {"items": items, "count": len(items)})
        case "retrieve_batch" if not backend.draw_fault(LISTING):
            tasks, total = _list(backend, sent, token_hash)
            handler.send_json(200, {"items": [describe(backend, task) for task in tasks], "count": total})
        case "delete":
            task_id = _task_id(sent)
            if not _find(backend, [task_id], token_hash):
                raise ApiError(404, "task_not_found", f"there is no task {task_id}")
            backend.delete(task_id)
            handler.send_json(200, {"id": task_id, "deleted": True})
        case action:
            raise ApiError(400, "api_not_implemented", f"action {action!r} is not implemented")


def describe(backend: Backend, task: Task, *, with_data: bool = False) -> Payload:
    """Return the contract's view of one task, with every key that the provider sends.

    with_data adds the copy of the response that the provider's command line client reads, always with `state`.
    """
    description: dict[str, Any] = {
        "_id": task.id.replace("-", "")[:24],
        "id": task.id,
        "api_id": stable_id("api", "luma/videos"),
        "application_id": stable_id("application", task.token_hash),
        "credential_id": stable_id("credential", task.token_hash),
        "user_id": stable_id("user", task.token_hash),
        "created_at": task.created_at,
        "started_at": task.started_at,
        "trace_id": task.trace_id,
        "request": {name: value for name, value in task.request.items() if name != "callback_secret"},
    }
    response = backend.response(task)
    if response is None or task.finished_at is None:
        description |= running_fields(task)
        data = {} if "bare" in task.faults else processing_response(task)
    else:
        elapsed = round(task.finished_at - task.started_at, 3)
        description |= {"finished_at": task.finished_at, "elapsed": elapsed, "response": response}
        data = {"state": "completed" if response.get("video_url") else "failed", **response}
    return {**description, "data": {"id": task.id, **data}} if with_data and data else description


def _send_fault(handler: RequestHandler, fault: str) -> None:
    match fault:
        case "lookup_no_api":
            raise ApiError(404, "no_api", "there is no API at /luma/tasks")
        case "lookup_limit":
            raise too_many_requests()
        case "lookup_page":
            handler.send_page(404, "404 Not Found")
        case _:
            raise ApiError(500, "api_error", "the provider failed")


def _find(backend: Backend, ids: list[str], token_hash: str) -> list[Task]:
    """Return the tasks that exist and belong to this account, in the order of their ids."""
    tasks = [backend.ledger.find(task_id) for task_id in dict.fromkeys(ids) if TASK_ID.fullmatch(task_id)]
    found = [task for task in tasks if task and task.token_hash == token_hash and not task.deleted]
    if backend.is_poisoned_lookup(found):
        raise ApiError(500, "api_error", "the provider failed")
    return found


def _list(backend: Backend, sent: Payload, token_hash: str) -> tuple[list[Task], int]:
    """Return one page of the account's tasks, newest first, and how many there are on all pages."""
    return backend.ledger.list_tasks(
        token_hash,
        since=_number(sent, "created_at_min", 0.0),
        until=_number(sent, "created_at_max", math.inf),
        limit=min(MAX_BATCH_SIZE, int(_number(sent, "limit", DEFAULT_PAGE_SIZE))),
        offset=min(MAX_OFFSET, int(_number(sent, "offset", 0))),
    )


def _task_id(sent: Payload) -> str:
    task_id = sent.get("id") or sent.get("task_id")
    if not isinstance(task_id, str) or not task_id:
        raise bad_request("id is required")
    return task_id


def _ids(sent: Payload) -> list[str]:
    ids = sent["ids"]
    if not isinstance(ids, list) or not all(isinstance(task_id, str) for task_id in ids):
        raise bad_request("ids must be a list of strings")
    if len(ids) > MAX_BATCH_SIZE:
        raise bad_request(f"at most {MAX_BATCH_SIZE} ids at once")
    return ids


def _number(sent: Payload, name: str, default: float) -> float:
    """Parse a number that is not negative, also from a string."""
    value = sent.get(name, default)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not number >= 0 or (number == math.inf and name in sent):
        raise bad_request(f"{name} must be a number that is not negative")
    return number
