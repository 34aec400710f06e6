"""The ledger as JSON: one object for each POST, with its task and callbacks."""

import json
from collections.abc import Iterator
from typing import Any

from .ledger import Ledger


def export_ledger(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Yield one JSON object for each POST, oldest first; `accepted` says whether it created a task.

    account is the hash of the account's name; named is the task id in the response, null for none.
    """
    callbacks: dict[str, list[dict[str, Any]]] = {}
    for row in ledger.rows("callbacks"):
        callback = {name: row[name] for name in ("attempted_at", "kind", "status", "error")}
        callbacks.setdefault(row["task_id"], []).append(callback)
    tasks = {row["id"]: row for row in ledger.rows("tasks")}
    for row in ledger.rows("posts"):
        task, request = tasks.get(row["task_id"]), json.loads(row["request"])
        response = json.loads(task["response"]) if task and task["response"] else None
        yield {
            "id": row["id"],
            "accepted": task is not None,
            "account": row["token_hash"],
            "token_hash": row["token_hash"],
            "task_id": row["task_id"],
            "prompt": request.get("prompt"),
            "has_callback": bool(request.get("callback_url")),
            "created_at": task["created_at"] if task else None,
            "received_at": row["received_at"],
            "trace_id": row["trace_id"],
            "request": {name: value for name, value in request.items() if name != "callback_secret"},
            "answered": row["answered"],
            "answered_at": row["answered_at"],
            "named": row["named"],
            "video_id": task["video_id"] if task else None,
            "faults": json.loads(row["faults"]) or (json.loads(task["faults"]) if task else []),
            "started_at": task["started_at"] if task else None,
            "finished_at": task["finished_at"] if task else None,
            "success": response["success"] if response else None,
            "deleted": bool(task["deleted"]) if task else False,
            "callbacks": callbacks.get(row["task_id"], []),
        }
