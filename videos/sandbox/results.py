"""What a task answers: while it runs, once it is final, and with the faults that were drawn for it."""

import random
from typing import Any

from .ledger import Ledger, Task

FINAL_WORDS = ("failed", "Failure", "ERROR", "cancelled", "canceled", "Rejected")
FOREIGN_HOST = "https://media.invalid"
SPARSE_WITHOUT = ("success", "state", "thumbnail_url", "thumbnail_width", "thumbnail_height")
Result = dict[str, Any]


def failure(code: str, message: str) -> Result:
    return {"error": {"code": code, "message": message}}


def to_record(task: Task, outcome: Result) -> Result:
    """Turn a renderer's outcome (a size in pixels, or an error) into the response to store; links have no host."""
    if error := outcome.get("error"):
        return {"success": False, "task_id": task.id, "error": error, "trace_id": task.trace_id}
    path = f"/media/{task.id}/{task.file}"
    return {
        "success": True,
        "task_id": task.id,
        "video_id": task.video_id,
        "prompt": task.request["prompt"],
        "video_url": f"{path}.mp4",
        "video_width": outcome["width"],
        "video_height": outcome["height"],
        "state": "completed",
        "thumbnail_url": f"{path}.jpg",
        "thumbnail_width": outcome["width"],
        "thumbnail_height": outcome["height"],
    }


def running(task: Task) -> Result:
    # The provider's SDK takes any link in the echoed request for the result of a task without a state.
    return {"task_id": task.id, "state": "processing"}


def transient(task: Task) -> Result:
    return {"success": False, "task_id": task.id, "error": "temporarily unavailable, trying again"}


def shown_while_running(task: Task) -> dict[str, Any]:
    """Build the `response` key of a running task, or leave it out."""
    if "transient" in task.faults:
        return {"response": transient(task)}
    if "bare" in task.faults:
        return random.choice(({}, {"response": {}}, {"response": None}))
    return {"response": running(task)}


def give_result(ledger: Ledger, task: Task, base_url: str) -> Result | None:
    """Tell in the contract's words what became of a task, as one of its answers; None while it runs."""
    if task.response is None:
        return None
    if not task.response["success"]:
        if "cancel" in task.faults:
            return {"task_id": task.id, "state": FINAL_WORDS[int(task.id[:4], 16) % len(FINAL_WORDS)]}
        return task.response
    result = dict(task.response)
    for name in ("video_url", "thumbnail_url"):
        result[name] = base_url + result[name]
    if task.faults & {"stale_link", "foreign_host"}:
        if not ledger.is_first_showing(task.id):
            result["video_url"] += "?fresh=1"
        elif "foreign_host" in task.faults:
            result["video_url"] = FOREIGN_HOST + task.response["video_url"]
    if "sparse" in task.faults:
        result = {name: value for name, value in result.items() if name not in SPARSE_WITHOUT}
        result |= {name: float(result[name]) for name in ("video_width", "video_height")}
    return result
