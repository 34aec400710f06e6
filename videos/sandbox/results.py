"""What a task's look-up, callback and response say: while it runs, once it is finished, and with its faults."""

import random
from typing import Any

from .ledger import Ledger, Task
from .rendering.job import Outcome

FINAL_STATES = ("failed", "Failure", "ERROR", "cancelled", "canceled", "Rejected")
FOREIGN_HOST = "https://media.invalid"
SPARSE_WITHOUT = ("success", "state", "thumbnail_url", "thumbnail_width", "thumbnail_height")

Result = dict[str, Any]


def failure(code: str, message: str) -> Outcome:
    return Outcome(error_code=code, error_message=message)


def to_stored_response(task: Task, outcome: Outcome) -> Result:
    """Convert a rendering's outcome to the response to store; its links have no host yet."""
    if outcome.error_code:
        error = {"code": outcome.error_code, "message": outcome.error_message}
        return {"success": False, "task_id": task.id, "error": error, "trace_id": task.trace_id}
    path = f"/media/{task.id}/{task.file_stem}"
    return {
        "success": True,
        "task_id": task.id,
        "video_id": task.video_id,
        "prompt": task.request["prompt"],
        "video_url": f"{path}.mp4",
        "video_width": outcome.width,
        "video_height": outcome.height,
        "state": "completed",
        "thumbnail_url": f"{path}.jpg",
        "thumbnail_width": outcome.width,
        "thumbnail_height": outcome.height,
    }


def processing_response(task: Task) -> Result:
    # Without a state, the provider's SDK takes any link in the echoed request for the task's result.
    return {"task_id": task.id, "state": "processing"}


def transient_error(task: Task) -> Result:
    return {"success": False, "task_id": task.id, "error": "temporarily unavailable, trying again"}


def running_fields(task: Task) -> Result:
    """Return the `response` key of a running task's look-up; with the fault `bare` it may be missing."""
    if "transient" in task.faults:
        return {"response": transient_error(task)}
    if "bare" in task.faults:
        return random.choice(({}, {"response": {}}, {"response": None}))
    return {"response": processing_response(task)}


def finished_response(ledger: Ledger, task: Task, base_url: str) -> Result | None:
    """Return one copy of a finished task's response; None while it runs."""
    if task.response is None:
        return None
    if not task.response["success"]:
        if "cancel" in task.faults:
            return {"task_id": task.id, "state": FINAL_STATES[int(task.id[:4], 16) % len(FINAL_STATES)]}
        return task.response
    result = dict(task.response)
    for name in ("video_url", "thumbnail_url"):
        result[name] = base_url + result[name]
    if task.faults & {"stale_link", "foreign_host"}:
        if not ledger.is_first_copy(task.id):
            result["video_url"] += "?fresh=1"
        elif "foreign_host" in task.faults:
            result["video_url"] = FOREIGN_HOST + task.response["video_url"]
    if "sparse" in task.faults:
        result = {name: value for name, value in result.items() if name not in SPARSE_WITHOUT}
        result |= {name: float(result[name]) for name in ("video_width", "video_height")}
    return result
