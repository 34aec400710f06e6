"""POST /luma/tasks: one task, several by id, the list of an account's tasks, and deletion."""

import math
import re
import uuid
from typing import Any

from .backend import Backend
from .contract import ApiError, bad_request, too_many_requests
from .http_handler import RequestHandler
from .ledger import Task
from .results import running, shown_while_running

LARGEST_BATCH = 500
USUAL_PAGE = 20
TASK_ID = re.compile(r"[0-9a-fA-F-]{36}")
Payload = dict[str, Any]


def look_up(handler: RequestHandler, payload: Payload, token_hash: str) -> None:
    """Answer by `action`, which may be left out; null means absent. ApiError for everything else."""
    backend = handler.backend
    if fault := backend.draw_lookup_fault():
        return _fail(handler, fault)
    sent = {name: value for name, value in payload.items() if value is not None}
    match sent.get("action") or ("retrieve_batch" if "ids" in sent else "retrieve"):
        case "retrieve":
            found = _find(backend, [_task_id(sent)], token_hash)
            handler.answer(200, describe(backend, found[0], with_data=True) if found else {})
        case "retrieve_batch" if "ids" in sent:
            items = [describe(backend, task) for task in _find(backend, _ids(sent), token_hash)]
            handler.answer(200, {"items": items, "count": len(items)})
        case "retrieve_batch" if not backend.draw_listing_fault():
            tasks, total = _list(backend, sent, token_hash)
            handler.answer(200, {"items": [describe(backend, task) for task in tasks], "count": total})
        case "delete":
            task_id = _task_id(sent)
            if not _find(backend, [task_id], token_hash):
                raise ApiError(404, "task_not_found", f"there is no task {task_id}")
            backend.delete(task_id)
            handler.answer(200, {"id": task_id, "deleted": True})
        case action:
            raise ApiError(400, "api_not_implemented", f"action {action!r} is not implemented")


def describe(backend: Backend, task: Task, *, with_data: bool = False) -> Payload:
    """Build the contract's view of one task, with every key seen at the provider.

    with_data adds the copy of the response that the provider's command line client reads, always with `state`.
    """
    shown = {
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
    result = backend.result(task)
    if result is None or task.finished_at is None:
        shown |= shown_while_running(task)
        data = {} if "bare" in task.faults else running(task)
    else:
        shown |= {"finished_at": task.finished_at, "elapsed": round(task.finished_at - task.started_at, 3)}
        shown["response"] = result
        data = {"state": "completed" if result.get("video_url") else "failed", **result}
    return {**shown, "data": {"id": task.id, **data}} if with_data and data else shown


def _fail(handler: RequestHandler, fault: str) -> None:
    match fault:
        case "lookup_no_api":
            raise ApiError(404, "no_api", "there is no API at /luma/tasks")
        case "lookup_limit":
            raise too_many_requests()
        case "lookup_page":
            handler.answer_page(404, "404 Not Found")
        case _:
            raise ApiError(500, "api_error", "the provider failed")


def _find(backend: Backend, ids: list[str], token_hash: str) -> list[Task]:
    """Return the tasks that exist and belong to this account, in the order of their ids."""
    tasks = [backend.ledger.task(one) for one in dict.fromkeys(ids) if TASK_ID.fullmatch(one)]
    found = [task for task in tasks if task and task.token_hash == token_hash and not task.deleted]
    if backend.is_poisoned(found):
        raise ApiError(500, "api_error", "the provider failed")
    return found


def _list(backend: Backend, sent: Payload, token_hash: str) -> tuple[list[Task], int]:
    """Return one page of the account's tasks, newest first, and how many there are on all pages."""
    return backend.ledger.tasks_of(
        token_hash,
        since=_number(sent, "created_at_min", 0.0),
        until=_number(sent, "created_at_max", math.inf),
        limit=min(LARGEST_BATCH, int(_number(sent, "limit", USUAL_PAGE))),
        offset=min(1 << 62, int(_number(sent, "offset", 0))),
    )


def _task_id(sent: Payload) -> str:
    task_id = sent.get("id") or sent.get("task_id")
    if not isinstance(task_id, str) or not task_id:
        raise bad_request("id is required")
    return task_id


def _ids(sent: Payload) -> list[str]:
    ids = sent["ids"]
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise bad_request("ids must be a list of strings")
    if len(ids) > LARGEST_BATCH:
        raise bad_request(f"at most {LARGEST_BATCH} ids at once")
    return ids


def _number(sent: Payload, name: str, default: float) -> float:
    """Read a number that is not negative, also from a string; ApiError for anything else."""
    value = sent.get(name, default)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not number >= 0 or (number == math.inf and name in sent):
        raise bad_request(f"{name} must be a number that is not negative")
    return number


def stable_id(kind: str, name: str) -> str:
    """Make an id that is the same in every answer and after every restart."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{name}"))
