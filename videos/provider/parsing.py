"""Reading results, tasks and callbacks."""

import json
from dataclasses import replace
from typing import Any

from .errors import WHOSE_BY_CODE
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
    return read_result(document)


def read_result(document: dict[str, Any], *, task_id: str = "", finished: bool = False) -> Result:
    code, message = error_words(document.get("error"))
    success = document.get("success")
    success = success if isinstance(success, bool) else None
    state = clean_text(document.get("state"), CODE_LENGTH)
    video_url = web_link(document.get("video_url"))
    return Result(
        task_id=task_id or identifier(document.get("task_id")),
        status=_status(
            failed_with_error=bool(code or message),
            success=success,
            state=state,
            video_url=video_url,
            finished=finished,
        ),
        video_id=identifier(document.get("video_id")),
        video_url=video_url,
        video_width=pixels(document.get("video_width")),
        video_height=pixels(document.get("video_height")),
        thumbnail_url=web_link(document.get("thumbnail_url")),
        thumbnail_width=pixels(document.get("thumbnail_width")),
        thumbnail_height=pixels(document.get("thumbnail_height")),
        prompt=clean_text(document.get("prompt"), PROMPT_LENGTH),
        state=state,
        success=success,
        error_code=code,
        error_message=message,
        trace_id=identifier(document.get("trace_id")),
    )


def _status(*, failed_with_error: bool, success: bool | None, state: str, video_url: str, finished: bool) -> Status:
    """Decide what a result means; in doubt RUNNING, because a wrong FAILED would hide a paid video.

    A `completed` without a video is doubt: there is nothing to save yet, and the next look may bring it;
    whoever waits has a deadline of their own. A bare `success: false` is doubt too, until the task is
    marked as finished.
    """
    if state.lower() == "failed" or (failed_with_error and success is False):
        return Status.FAILED
    if video_url:
        return Status.COMPLETED
    if success is False and finished:
        return Status.FAILED
    if failed_with_error and success is None:
        return Status.FAILED
    return Status.RUNNING


def read_task(document: dict[str, Any], task_id: str) -> Result:
    """Read one task of /luma/tasks; the id asked for stands, whatever the response inside repeats.

    `finished_at` with an empty response is RUNNING: the two may be written a moment apart, and nothing
    says that it failed.
    """
    response = document.get("response")
    result = read_result(
        response if isinstance(response, dict) else {},
        task_id=task_id,
        finished=bool(document.get("finished_at")),
    )
    return replace(
        result,
        trace_id=result.trace_id or identifier(document.get("trace_id")),
        request=echoed_request(document.get("request")),
    )


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
        return code, message or ("" if code or not error else "The provider gave no reason.")
    if isinstance(error, str):
        word = clean_text(error, MESSAGE_LENGTH)
        return (word, "") if word in WHOSE_BY_CODE else ("", word)
    return ("", "The provider gave no reason.") if error else ("", "")
