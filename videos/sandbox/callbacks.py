"""Delivering results to callback URLs, with retries, signatures and faults."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .background import Scheduler, submit
from .canned_responses import find_canned_response
from .http_client import post_json
from .ids import new_id
from .ledger import Ledger, Task
from .results import Result

# Seconds from a failed attempt to the next one, as documented; after the last failure the provider gives up.
RETRY_PAUSES = (60.0, 300.0, 1800.0, 7200.0, 21600.0)
LATE_SECONDS = 20.0
DUPLICATE_AFTER = 0.3  # seconds
THREADS = 32
NO_USUAL_RESPONSE = frozenset(("hang", "drop", "equal_id"))


class CallbackSender:
    """Send callbacks in separate threads; pause_scale shortens the documented pauses, 1 keeps them."""

    def __init__(self, ledger: Ledger, scheduler: Scheduler, base_url: str, pause_scale: float) -> None:
        self._ledger, self._scheduler, self._base_url, self._pause_scale = ledger, scheduler, base_url, pause_scale
        self._pool = ThreadPoolExecutor(THREADS, "callback")

    def deliver(self, task: Task, make_result: Callable[[], Result], on_attempted: Callable[[], None]) -> None:
        """Deliver the callback of a finished task; call on_attempted() after the first attempt.

        make_result() is called only for a callback that is sent: the first copy of a result may differ from later ones.
        """
        if not task.request.get("callback_url"):
            self._ledger.mark_delivered(task.id)
            on_attempted()
            return
        attempts, last_attempt_at = self._ledger.callback_attempts(task.id)
        if attempts:
            due = last_attempt_at + self._pause_after(attempts)
        else:
            due = (task.finished_at or 0.0) + (LATE_SECONDS if "late" in task.faults else 0.0)
        self._scheduler.call_at(
            due, lambda: submit(self._pool, self._deliver, task, make_result, attempts, on_attempted)
        )

    def send_interim(self, task: Task, body: Result) -> None:
        """Send one callback while the task runs; it is not repeated."""
        if task.request.get("callback_url") and "lost" not in task.faults:
            submit(self._pool, self._post, task, body, "hint")

    def _deliver(
        self, task: Task, make_result: Callable[[], Result], attempts: int, on_attempted: Callable[[], None]
    ) -> None:
        if not attempts:
            self._send_forgeries(task)
        if "lost" in task.faults:
            self._ledger.mark_delivered(task.id)
        else:
            self._attempt(task, self._body(task, make_result()), attempts)
        on_attempted()

    def _attempt(self, task: Task, body: Result, attempts: int) -> None:
        """Send the callback, and schedule its duplicate or its next attempt."""
        if self._post(task, body, "callback"):
            if "twice" in task.faults:
                self._scheduler.call_at(
                    time.time() + DUPLICATE_AFTER, lambda: submit(self._pool, self._post, task, body, "duplicate")
                )
        elif attempts < len(RETRY_PAUSES):
            self._scheduler.call_at(
                time.time() + self._pause_after(attempts + 1),
                lambda: submit(self._pool, self._attempt, task, body, attempts + 1),
            )
            return
        self._ledger.mark_delivered(task.id)

    def _pause_after(self, attempts: int) -> float:
        return RETRY_PAUSES[min(attempts, len(RETRY_PAUSES)) - 1] * self._pause_scale

    def _post(self, task: Task, body: Result, kind: str) -> bool:
        """Send one callback and record it; return whether the receiver answered 2xx."""
        encoded = json.dumps(body).encode()
        status, error = post_json(task.request["callback_url"], encoded, _signature(task, encoded))
        self._ledger.record_callback(task.id, kind, status, error)
        return status is not None and 200 <= status < 300

    def _body(self, task: Task, result: Result) -> Result:
        body = {"trace_id": task.trace_id, **result}
        if "wrong_task" in task.faults and self._client_knows_task(task):
            body["task_id"] = new_id()
        return body

    def _send_forgeries(self, task: Task) -> None:
        """Send unsigned callbacks as a stranger would.

        The real URL gets them only if the client knows the task id: otherwise it could not tell them from real ones.
        """
        url, client_knows_task = task.request["callback_url"], self._client_knows_task(task)
        if "forged" in task.faults:
            for target in (_guess_url(url), url) if client_knows_task else (_guess_url(url),):
                self._post_forged(task, target, forged_success(self._base_url))
        if "forged_failure" in task.faults and client_knows_task:
            self._post_forged(task, url, forged_failure())

    def _post_forged(self, task: Task, url: str, body: Result) -> None:
        status, error = post_json(url, json.dumps(body).encode())
        self._ledger.record_callback(task.id, "forged", status, error)

    def _client_knows_task(self, task: Task) -> bool:
        """Tell whether the response to the POST named the task, or certainly will."""
        will_be_named = (
            "early" in task.faults and not task.faults & NO_USUAL_RESPONSE and not find_canned_response(task.faults)
        )
        return will_be_named or self._ledger.response_named_task(task.id)


def forged_success(base_url: str) -> Result:
    return {
        "success": True,
        "task_id": new_id(),
        "video_id": new_id(),
        "prompt": "forged",
        "video_url": f"{base_url}/media/forged.mp4",
        "video_width": 64,
        "video_height": 64,
        "state": "completed",
    }


def forged_failure() -> Result:
    error = {"code": "api_error", "message": "forged"}
    return {"success": False, "task_id": new_id(), "error": error, "trace_id": new_id()}


def _guess_url(url: str) -> str:
    """Replace the last part of a URL's path by a random one of about the same length."""
    stem, _, key = url.rstrip("/").rpartition("/")
    return f"{stem}/{secrets.token_urlsafe(max(4, len(key) * 3 // 4))}" + ("/" if url.endswith("/") else "")


def _signature(task: Task, body: bytes) -> dict[str, str]:
    """Return the signature header for a task with a callback_secret."""
    if not (secret := task.request.get("callback_secret")):
        return {}
    signed = b"something else" if "badly_signed" in task.faults else body
    return {"X-Callback-Signature": hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}
