"""Responses that replace the usual one: rejections, and those that leave open whether a task was accepted."""

import re
from dataclasses import dataclass, replace

RESPONSE_MARK = re.compile(r"\[answer ([2-5]\d\d)(?: (\w+))?\]")
BEFORE_SUFFIX = "-before"  # of an ambiguous response that is sent instead of accepting a task
AMBIGUOUS_STATUSES = frozenset((302, 303, 408, 409, 499))  # besides every 2xx and 5xx


@dataclass(frozen=True, slots=True)
class CannedResponse:
    """A status with a JSON error (code and message), an HTML page (its title), or a JSON object without a task.

    help is for `--help`; is_accepted says that the task runs all the same.
    """

    status: int
    help: str
    code: str = ""
    message: str = "the provider failed"
    page: str = ""
    retry_after: int | None = None
    names_task: bool = False
    is_accepted: bool = False


REJECTED = {
    "refuse": CannedResponse(403, "403 forbidden", "forbidden", "the prompt was refused by moderation"),
    "limit": CannedResponse(
        429, "429 too_many_requests with Retry-After", "too_many_requests", "try again later", retry_after=2
    ),
    "busy": CannedResponse(429, "429 without Retry-After, for concurrency", "too_many_requests", "too many tasks run"),
    "unknown_400": CannedResponse(
        400, "400 with an undocumented code", "prompt_not_supported", "the prompt is not supported"
    ),
    "unknown_403": CannedResponse(403, "403 with an undocumented code", "region_not_supported", "not available here"),
    "not_found_page": CannedResponse(404, "404 with an HTML page", page="404 Not Found"),
}
AMBIGUOUS = {
    name: replace(response, is_accepted=True)
    for name, response in {
        "error": CannedResponse(500, "500 api_error", "api_error"),
        "error_used_up": CannedResponse(500, "500 with the code used_up", "used_up"),
        "named_error": CannedResponse(500, "500 api_error that names the task", "api_error", names_task=True),
        "gateway": CannedResponse(502, "502 with an HTML page", page="502 Bad Gateway"),
        "unavailable": CannedResponse(
            503, "503 with an HTML page and Retry-After", page="503 Unavailable", retry_after=3
        ),
        "gateway_timeout": CannedResponse(
            504, "504 upstream_timeout that names the task", "upstream_timeout", names_task=True
        ),
        "request_timeout": CannedResponse(408, "408 with an HTML page", page="408 Request Timeout"),
        "conflict": CannedResponse(409, "409 conflict", "conflict"),
        "closed": CannedResponse(499, "499 with an HTML page", page="499 Client Closed Request"),
        "redirect": CannedResponse(302, "302 to another address", page="302 Found"),
        "see_other": CannedResponse(303, "303 to another address", page="303 See Other"),
        "no_task": CannedResponse(200, "200 with a JSON object that names no task"),
        "page": CannedResponse(200, "200 with an HTML page", page="Welcome"),
    }.items()
}


def find_canned_response(faults: frozenset[str]) -> CannedResponse | None:
    """Return the response that a request with these faults gets; None for the usual one."""
    for name, response in {**REJECTED, **AMBIGUOUS}.items():
        if name in faults:
            return response
        if name + BEFORE_SUFFIX in faults:
            return replace(response, is_accepted=False)
    for fault in faults:
        if mark := RESPONSE_MARK.fullmatch(f"[{fault}]"):
            return _requested_response(int(mark[1]), mark[2] or "")
    return None


def _requested_response(status: int, code: str) -> CannedResponse:
    """Return the response for `[answer STATUS CODE]`, where CODE may be missing."""
    return CannedResponse(
        status,
        help="",
        code=code,
        message=f"the prompt asked for {status}",
        page="" if code or status < 300 else f"{status} Requested",
        is_accepted=status < 300 or status >= 500 or status in AMBIGUOUS_STATUSES,
    )
