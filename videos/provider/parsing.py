"""Reading results, tasks and callbacks."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .errors import known_code
from .types import ASKED_URL_LENGTH, ASPECT_RATIOS, CODE_LENGTH, MESSAGE_LENGTH, PROMPT_LENGTH, Request, Result, Status
from .values import (
    bounded_int,
    check_depth,
    check_texts,
    clean_text,
    finite_float,
    identifier,
    pixels,
    refuse_number,
    web_link,
)

# A task that says one of these in `state` or `status` has ended without a video.
FINAL_WORDS = frozenset({"failed", "failure", "error", "cancelled", "canceled", "rejected"})


def read_callback(body: bytes) -> Result:
    """Read a callback's body, strictly: anybody may have sent it; raise ValueError with a plain message.

    The body's length is the caller's to limit.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("The body is not UTF-8.") from error
    check_depth(text)
    try:
        document = json.loads(text, parse_constant=refuse_number, parse_float=finite_float, parse_int=bounded_int)
    except json.JSONDecodeError as error:
        raise ValueError("The body is not JSON.") from error
    except RecursionError as error:
        raise ValueError("The body is nested too deeply.") from error
    if not isinstance(document, dict):
        raise ValueError("The body is not a JSON object.")
    check_texts(document)
    if isinstance(document.get("response"), dict):
        # The whole task, as a look-up would answer it.
        return read_task(document, next(task_ids_of(document), ""))
    return read_result(document)


def read_result(document: dict[str, Any], *, task_id: str = "", outer: dict[str, Any] | None = None) -> Result:
    """Read a result; `outer` is the task around it, whose own words count where the result has none."""
    # An explicit null means absent.
    outer = outer or {}
    fields = outer | {name: value for name, value in document.items() if value is not None}
    code, message = error_words(fields.get("error"))
    success = fields.get("success")
    success = success if isinstance(success, bool) else None
    words = {
        clean_text(source.get(name), CODE_LENGTH).lower()
        for source in (document, outer)
        for name in ("state", "status")
    }
    video_url = web_link(fields.get("video_url"))
    return Result(
        task_id=task_id or identifier(fields.get("task_id")),
        status=_status(
            video_url=video_url,
            ended_badly=not words.isdisjoint(FINAL_WORDS),
            success=success,
            error=fields.get("error"),
            finished=bool(fields.get("finished_at")),
        ),
        video_id=identifier(fields.get("video_id")),
        video_url=video_url,
        video_width=pixels(fields.get("video_width")),
        video_height=pixels(fields.get("video_height")),
        thumbnail_url=web_link(fields.get("thumbnail_url")),
        thumbnail_width=pixels(fields.get("thumbnail_width")),
        thumbnail_height=pixels(fields.get("thumbnail_height")),
        prompt=clean_text(fields.get("prompt"), PROMPT_LENGTH),
        state=clean_text(fields.get("state"), CODE_LENGTH) or clean_text(fields.get("status"), CODE_LENGTH),
        success=success,
        error_code=code,
        error_message=message,
        trace_id=identifier(fields.get("trace_id")),
    )


def _status(*, video_url: str, ended_badly: bool, success: bool | None, error: Any, finished: bool) -> Status:
    """Decide what a result means; in doubt RUNNING, because a wrong FAILED would hide a paid video.

    A `completed` without a video is doubt: there is nothing to save yet, and the next look-up may bring it; whoever
    waits has a deadline of their own. A bare string as error is transient ("temporary" in the provider's own client
    tests) until the task is marked as finished, and so is a bare `success: false`. A task that is finished and says
    nothing at all is RUNNING: `finished_at` and `response` may be written a moment apart.
    """
    if video_url:
        return Status.COMPLETED
    if ended_badly:
        return Status.FAILED
    if success is not True and isinstance(error, dict) and error:
        return Status.FAILED
    if finished and (success is False or (success is None and error)):
        return Status.FAILED
    return Status.RUNNING


def read_task(document: dict[str, Any], task_id: str) -> Result:
    """Read one task of /luma/tasks; the id asked for stands, whatever the response inside repeats."""
    response = document.get("response")
    result = read_result(response if isinstance(response, dict) else {}, task_id=task_id, outer=document)
    return replace(result, request=echoed_request(document.get("request")))


def task_ids_of(item: Any) -> Iterator[str]:
    """Yield the ids under which an answer may name its task, the surest first."""
    if not isinstance(item, dict):
        return
    inner = [item.get(name) for name in ("response", "data", "error")]
    candidates = [item.get("id"), item.get("task_id"), *(one.get("task_id") for one in inner if isinstance(one, dict))]
    yield from filter(None, map(identifier, candidates))


def echoed_request(echo: Any) -> Request | None:
    """Read the request a task repeats; what the contract does not have is taken as not given."""
    if not isinstance(echo, dict):
        return None
    given = Request()
    action, ratio, timeout = echo.get("action"), echo.get("aspect_ratio"), pixels(echo.get("timeout"))
    return Request(
        action="extend" if action == "extend" else given.action,
        prompt=clean_text(echo.get("prompt"), PROMPT_LENGTH),
        aspect_ratio=ratio if ratio in ASPECT_RATIOS else given.aspect_ratio,
        start_image_url=web_link(echo.get("start_image_url"), ASKED_URL_LENGTH),
        end_image_url=web_link(echo.get("end_image_url"), ASKED_URL_LENGTH),
        enhancement=echo.get("enhancement") is not False,
        loop=echo.get("loop") is True,
        timeout=timeout or given.timeout,
        video_id=identifier(echo.get("video_id")),
        video_url=web_link(echo.get("video_url"), ASKED_URL_LENGTH),
        callback_url=web_link(echo.get("callback_url")),
    )


def error_words(error: Any) -> tuple[str, str]:
    """Return code and message of an `error` that is an object, a bare string, or something else."""
    if isinstance(error, dict):
        code, message = clean_text(error.get("code"), CODE_LENGTH), clean_text(error.get("message"), MESSAGE_LENGTH)
        code = known_code(code) or code
        return code, message or ("" if code or not error else "The provider gave no reason.")
    if isinstance(error, str):
        word = clean_text(error, MESSAGE_LENGTH)
        code = known_code(word)
        return (code, "") if code else ("", word)
    return ("", "The provider gave no reason.") if error else ("", "")
