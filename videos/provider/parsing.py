"""Parse results, tasks and callbacks."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .errors import known_code
from .types import (
    ASPECT_RATIOS,
    CODE_LENGTH,
    MESSAGE_LENGTH,
    PROMPT_LENGTH,
    REQUEST_URL_LENGTH,
    Request,
    Result,
    Status,
)
from .values import (
    bounded_int,
    check_depth,
    check_texts,
    clean_text,
    finite_float,
    parse_id,
    parse_link,
    parse_pixels,
    refuse_number,
)

# A task with one of these in `state` or `status` has ended without a video.
FAILED_WORDS = frozenset({"failed", "failure", "error", "cancelled", "canceled", "rejected"})


def read_callback(body: bytes) -> Result:
    """Parse a callback's body strictly, because anybody may have sent it; raise ValueError with a readable message.

    The caller limits the length of the body.
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
        # The whole task, as a look-up returns it.
        return read_task(document, next(task_ids_of(document), ""))
    return read_result(document)


def read_result(document: dict[str, Any], *, task_id: str = "", outer: dict[str, Any] | None = None) -> Result:
    """Parse a result; `outer` is the task that contains it and supplies the fields that the result lacks."""
    # An explicit null means absent.
    outer = outer or {}
    fields = outer | {name: value for name, value in document.items() if value is not None}
    code, message = read_error(fields.get("error"))
    success = fields.get("success")
    success = success if isinstance(success, bool) else None
    words = {
        clean_text(source.get(name), CODE_LENGTH).lower()
        for source in (document, outer)
        for name in ("state", "status")
    }
    video_url = parse_link(fields.get("video_url"))
    return Result(
        task_id=task_id or parse_id(fields.get("task_id")),
        status=_status(
            video_url=video_url,
            has_failed=not words.isdisjoint(FAILED_WORDS),
            success=success,
            error=fields.get("error"),
            finished=bool(fields.get("finished_at")),
        ),
        video_id=parse_id(fields.get("video_id")),
        video_url=video_url,
        video_width=parse_pixels(fields.get("video_width")),
        video_height=parse_pixels(fields.get("video_height")),
        thumbnail_url=parse_link(fields.get("thumbnail_url")),
        thumbnail_width=parse_pixels(fields.get("thumbnail_width")),
        thumbnail_height=parse_pixels(fields.get("thumbnail_height")),
        prompt=clean_text(fields.get("prompt"), PROMPT_LENGTH),
        state=clean_text(fields.get("state"), CODE_LENGTH) or clean_text(fields.get("status"), CODE_LENGTH),
        success=success,
        error_code=code,
        error_message=message,
        trace_id=parse_id(fields.get("trace_id")),
    )


def _status(*, video_url: str, has_failed: bool, success: bool | None, error: object, finished: bool) -> Status:
    """Return the status of a result; RUNNING if unsure, because a wrong FAILED would hide a paid video.

    `completed` without a video is RUNNING: the next look-up may bring the video, and callers have their own deadline.
    A bare string as error is temporary (the provider's own client tests say so) until the task is marked as finished,
    and so is a bare `success: false`. A task that is finished and has no other field is RUNNING: the provider may
    write `finished_at` and `response` at different moments.
    """
    if video_url:
        return Status.COMPLETED
    if has_failed:
        return Status.FAILED
    if success is not True and isinstance(error, dict) and error:
        return Status.FAILED
    if finished and (success is False or (success is None and error)):
        return Status.FAILED
    return Status.RUNNING


def read_task(document: dict[str, Any], task_id: str) -> Result:
    """Parse one task of /luma/tasks; the result has `task_id`, whatever id the response repeats."""
    response = document.get("response")
    result = read_result(response if isinstance(response, dict) else {}, task_id=task_id, outer=document)
    return replace(result, request=echoed_request(document.get("request")))


def task_ids_of(item: object) -> Iterator[str]:
    """Yield the ids by which an answer may name its task, the most reliable first."""
    if not isinstance(item, dict):
        return
    inner = [item.get(name) for name in ("response", "data", "error")]
    candidates = [item.get("id"), item.get("task_id"), *(one.get("task_id") for one in inner if isinstance(one, dict))]
    yield from filter(None, map(parse_id, candidates))


def echoed_request(echo: object) -> Request | None:
    """Parse the request that a task repeats; values that the contract does not allow count as not given."""
    if not isinstance(echo, dict):
        return None
    default = Request()
    action, ratio, timeout = echo.get("action"), echo.get("aspect_ratio"), parse_pixels(echo.get("timeout"))
    return Request(
        action="extend" if action == "extend" else default.action,
        prompt=clean_text(echo.get("prompt"), PROMPT_LENGTH),
        aspect_ratio=ratio if ratio in ASPECT_RATIOS else default.aspect_ratio,
        start_image_url=parse_link(echo.get("start_image_url"), REQUEST_URL_LENGTH),
        end_image_url=parse_link(echo.get("end_image_url"), REQUEST_URL_LENGTH),
        enhancement=echo.get("enhancement") is not False,
        loop=echo.get("loop") is True,
        timeout=timeout or default.timeout,
        video_id=parse_id(echo.get("video_id")),
        video_url=parse_link(echo.get("video_url"), REQUEST_URL_LENGTH),
        callback_url=parse_link(echo.get("callback_url")),
    )


def read_error(error: object) -> tuple[str, str]:
    """Return code and message of an `error` field, which may be an object, a bare string, or anything else."""
    if isinstance(error, dict):
        code, message = clean_text(error.get("code"), CODE_LENGTH), clean_text(error.get("message"), MESSAGE_LENGTH)
        code = known_code(code) or code
        return code, message or ("" if code or not error else "The provider gave no reason.")
    if isinstance(error, str):
        word = clean_text(error, MESSAGE_LENGTH)
        code = known_code(word)
        return (code, "") if code else ("", word)
    return ("", "The provider gave no reason.") if error else ("", "")
