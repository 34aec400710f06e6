"""Classify answers without a result: by code, and by whether a paid request may have been carried out."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .types import Sent

MAX_RETRY_AFTER = 24 * 60 * 60.0


class ProviderError(Exception):
    """A call that brought no result; `sent` says whether a paid request may have been carried out.

        status  code                                        sent
        -       not_sent         no connection was made,    NEVER
                                 unusable address or token
        -       no_answer        cut off, timed out         MAYBE
        2xx     unreadable       not the contract's form    MAYBE
        2xx     any              an error, but no task      MAYBE
        301 307 308  redirected  a wrong address            REFUSED
        3xx     redirected       any other                  MAYBE
        408 409 499  any                                    MAYBE
        5xx     any; without a code timeout (504), else api_error  MAYBE
        4xx     a documented code                           REFUSED, MAYBE if in AMBIGUOUS_CODES
        4xx     another word of the provider                REFUSED
        4xx     http_<status>    a page of a gateway        REFUSED

    status is None without an answer. retry_after is in seconds, None if the provider did not send it. task_id is the
    task that the answer names anyway, "" if none. Look-ups are free and repeatable, so `sent` does not matter there.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        trace_id: str = "",
        sent: Sent = Sent.MAYBE,
        retry_after: float | None = None,
        task_id: str = "",
    ) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
        self.trace_id = trace_id
        self.sent = sent
        self.retry_after = retry_after
        self.task_id = task_id

    def in_doubt(self) -> "ProviderError":
        """Return the same error as one after which the request may have been carried out."""
        facts = {name: value for name, value in vars(self).items() if name not in ("code", "message", "sent")}
        return ProviderError(self.code, self.message, sent=Sent.MAYBE, **facts)


# These report a failure on the way to a video, which does not prove that none was started.
AMBIGUOUS_CODES = frozenset({"api_error", "upstream_error", "timeout", "upstream_timeout", "task_failed"})
# From both versions of the provider's documentation.
DOCUMENTED_CODES = AMBIGUOUS_CODES | {
    "bad_request",
    "invalid_request",
    "request_too_large",
    "content_too_large",
    "forbidden",
    "content_moderation",
    "no_token",
    "token_mismatched",
    "invalid_token",
    "token_expired",
    "unauthorized",
    "used_up",
    "insufficient_balance",
    "disabled",
    "not_applied",
    "api_not_implemented",
    "no_api",
    "task_not_found",
    "too_many_requests",
    "rate_limited",
    "busy",
}
# Timeout, conflict, client closed request: none of these proves that nothing was started.
AMBIGUOUS_STATUSES = frozenset({408, 409, 499})
# Codes with which the provider says that it has no such task.
TASK_ABSENT = frozenset({"task_not_found", "not_found"})

_CODE_BY_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    402: "used_up",
    # Not `forbidden`: a 403 without a reason must not be reported as moderation.
    403: "unexplained",
    404: "not_found",
    413: "request_too_large",
    422: "bad_request",
}


def known_code(word: str) -> str:
    """Return the documented code that equals this word in any case; "" if there is none."""
    return word.lower() if word.lower() in DOCUMENTED_CODES else ""


def code_by_status(status: int, *, is_page: bool, has_message: bool) -> str:
    """Return the code of a failure that came without one; is_page: the body is a gateway's page, not JSON."""
    if status == 429:
        return "too_many_requests"
    if status >= 500:
        return "timeout" if status == 504 and has_message else "api_error"
    if status >= 400:
        return f"http_{status}" if is_page else _CODE_BY_STATUS.get(status, f"http_{status}")
    return "redirected" if status >= 300 else "unreadable"


def sent_by(status: int, code: str) -> Sent:
    """Return whether a paid request that got this answer may have been carried out."""
    if status < 300 or status >= 500:
        return Sent.MAYBE
    if status < 400:
        # 301, 307 and 308 ask to send the same request elsewhere; 302 and 303 may follow one that was carried out.
        return Sent.REFUSED if status in (301, 307, 308) else Sent.MAYBE
    return Sent.MAYBE if status in AMBIGUOUS_STATUSES or code in AMBIGUOUS_CODES else Sent.REFUSED


def retry_after(header: str) -> float | None:
    """Parse a Retry-After header, in seconds or as a date; return None if it cannot be parsed."""
    header = header.strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", header):
        return min(float(header), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(header)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), MAX_RETRY_AFTER)
    except (TypeError, ValueError, OverflowError):
        return None
