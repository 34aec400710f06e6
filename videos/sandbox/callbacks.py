"""Delivering results to callback URLs: retries, signatures, and everything that can go wrong with it."""

import hashlib
import hmac
import json
import logging
import secrets
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .canned_responses import find_canned_response
from .http_client import post_json
from .ledger import Ledger, Task
from .scheduler import Scheduler

# Seconds from a failed attempt to the next one, as documented; the last failure ends the delivery.
RETRY_AFTER = (60.0, 300.0, 1800.0, 7200.0, 21600.0)
LATE_SECONDS = 20.0
DUPLICATE_AFTER = 0.3
OTHER_ANSWERS = frozenset(("hang", "drop", "equal_id"))
log = logging.getLogger(__name__)
Result = dict[str, Any]


class CallbackSender:
    """Sends callbacks in threads of its own. hurry shortens the documented pauses: 1 keeps them."""

    def __init__(self, ledger: Ledger, scheduler: Scheduler, base_url: str, hurry: float):
        self._ledger, self._scheduler, self._base_url, self._hurry = ledger, scheduler, base_url, hurry
        self._postmen = ThreadPoolExecutor(32, "postman")

    def deliver(self, task: Task, result: Callable[[], Result], attempted: Callable[[], None]) -> None:
        """Send what a finished task deserves; attempted() is called once nothing more is due for now.

        result() is called for a callback that is really sent: a result may differ when it is given for the first time.
        """
        if not task.request.get("callback_url"):
            self._ledger.delivered(task.id)
            attempted()
            return
        made, last = self._ledger.attempts(task.id)
        late = LATE_SECONDS if "late" in task.faults else 0.0
        due = last + self._pause(made) if made else (task.finished_at or 0.0) + late
        self._scheduler.call_at(due, lambda: self._submit(self._first, task, result, made, attempted))

    def hint(self, task: Task, body: Result) -> None:
        """Send one callback that is not the result, and never again."""
        if task.request.get("callback_url") and "lost" not in task.faults:
            self._submit(self._attempt, task, body, "hint")

    def _first(self, task: Task, result: Callable[[], Result], made: int, attempted: Callable[[], None]) -> None:
        if not made:
            self._forge(task)
        if "lost" in task.faults:
            self._ledger.delivered(task.id)
        else:
            self._try(task, self._body(task, result()), made)
        attempted()

    def _try(self, task: Task, body: Result, made: int) -> None:
        if self._attempt(task, body, "callback"):
            if "twice" in task.faults:
                duplicate = time.time() + DUPLICATE_AFTER
                self._scheduler.call_at(duplicate, lambda: self._submit(self._attempt, task, body, "duplicate"))
        elif made < len(RETRY_AFTER):
            due = time.time() + self._pause(made + 1)
            self._scheduler.call_at(due, lambda: self._submit(self._try, task, body, made + 1))
            return
        self._ledger.delivered(task.id)

    def _pause(self, made: int) -> float:
        return RETRY_AFTER[min(made, len(RETRY_AFTER)) - 1] * self._hurry

    def _attempt(self, task: Task, body: Result, kind: str) -> bool:
        encoded = json.dumps(body).encode()
        status, error = post_json(task.request["callback_url"], encoded, _signature(task, encoded))
        self._ledger.called_back(task.id, kind, status, error)
        return status is not None and 200 <= status < 300

    def _body(self, task: Task, result: Result) -> Result:
        body = {"trace_id": task.trace_id, **result}
        if "wrong_task" in task.faults and self._answer_is_certain(task):
            body["task_id"] = str(uuid.uuid4())
        return body

    def _forge(self, task: Task) -> None:
        """Send what a stranger would, unsigned.

        To the true address only where the answer to the POST names the task: else nobody could tell it from the truth.
        """
        url, certain = task.request["callback_url"], self._answer_is_certain(task)
        if "forged" in task.faults:
            stem, _, tail = url.rstrip("/").rpartition("/")
            guess = f"{stem}/{secrets.token_urlsafe(max(4, len(tail) * 3 // 4))}" + ("/" if url.endswith("/") else "")
            for target in (guess, url) if certain else (guess,):
                self._lie(task, target, forged_success(self._base_url))
        if "forged_failure" in task.faults and certain:
            self._lie(task, url, forged_failure())

    def _lie(self, task: Task, url: str, body: Result) -> None:
        status, error = post_json(url, json.dumps(body).encode())
        self._ledger.called_back(task.id, "forged", status, error)

    def _answer_is_certain(self, task: Task) -> bool:
        """Whether the caller knows the task by its answer, or surely will."""
        comes = "early" in task.faults and not task.faults & OTHER_ANSWERS and not find_canned_response(task.faults)
        return comes or self._ledger.was_answered(task.id)

    def _submit(self, work: Callable[..., Any], *given: Any) -> None:
        self._postmen.submit(self._logged, work, *given)

    @staticmethod
    def _logged(work: Callable[..., Any], *given: Any) -> None:
        try:
            work(*given)
        except Exception:  # the pool would keep it to itself, and the task would stay open without a word
            log.exception("a callback could not be sent")


def forged_success(base_url: str) -> Result:
    return {
        "success": True,
        "task_id": str(uuid.uuid4()),
        "video_id": str(uuid.uuid4()),
        "prompt": "forged",
        "video_url": f"{base_url}/media/forged.mp4",
        "video_width": 64,
        "video_height": 64,
        "state": "completed",
    }


def forged_failure() -> Result:
    error = {"code": "api_error", "message": "forged"}
    return {"success": False, "task_id": str(uuid.uuid4()), "error": error, "trace_id": str(uuid.uuid4())}


def _signature(task: Task, body: bytes) -> dict[str, str]:
    """Sign a body with the task's callback_secret, if it has one."""
    if not (secret := task.request.get("callback_secret")):
        return {}
    signed = b"something else" if "badly_signed" in task.faults else body
    return {"X-Callback-Signature": hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}
