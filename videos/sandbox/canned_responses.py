"""Answers in place of the usual one: refusals, and all that leave doubt whether a task was accepted."""

import re
from dataclasses import dataclass, replace

ANSWER_MARK = re.compile(r"\[answer ([2-5]\d\d)(?: (\w+))?\]")
BEFORE = "-before"  # ends the name of a reply in doubt that is given before anything is accepted
DOUBTFUL = frozenset((302, 303, 408, 409, 499))  # besides every 2xx and 5xx


@dataclass(frozen=True, slots=True)
class CannedResponse:
    """A status with a JSON error (code), an HTML page (page is its title), or neither: a JSON object without a task."""

    status: int
    text: str  # for --help
    code: str = ""
    message: str = "the provider failed"
    page: str = ""
    retry_after: int | None = None
    names_task: bool = False
    accepted: bool = False


REFUSED = {
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
    name: replace(reply, accepted=True)
    for name, reply in {
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
    """Return what answers a request with these faults; accepted says whether its task runs all the same."""
    for name, reply in {**REFUSED, **AMBIGUOUS}.items():
        if name in faults:
            return reply
        if name + BEFORE in faults:
            return replace(reply, accepted=False)
    for fault in faults:
        if mark := ANSWER_MARK.fullmatch(f"[{fault}]"):
            status = int(mark[1])
            doubtful = status < 300 or status >= 500 or status in DOUBTFUL
            page = "" if mark[2] or status < 300 else f"{status} Asked For"
            message = f"the prompt asked for {status}"
            return CannedResponse(status, "", mark[2] or "", message, page, accepted=doubtful)
    return None
