"""How an answer that is no result is judged: whose matter it is, and whether a paid request may have arrived."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .types import Sent, Whose

MAX_RETRY_AFTER = 24 * 60 * 60.0


class ProviderError(Exception):
    """A call that brought no result; says who must act and whether a paid request may have arrived.

        status  code                                     whose    sent
        -       not_sent         no connection was made  nobody   NEVER
        -       not_sent         unusable address/token  admin    NEVER
        -       no_answer        cut off, timed out      nobody   MAYBE
        2xx     unreadable       not what was promised   nobody   MAYBE
        2xx     any              an error, but no task   as below MAYBE
        301 307 308  redirected  the wrong address       admin    REFUSED
        3xx     redirected       any other               admin    MAYBE
        408 409 499  any                                 as below MAYBE
        5xx     any; without a code timeout (504), else api_error  MAYBE
        4xx     a code of WHOSE_BY_CODE                  by code  REFUSED, IN_DOUBT: MAYBE
        4xx     the provider's unknown word              member for 400 413 422, else admin; REFUSED
        4xx     http_<status>    a page that is not the provider's  admin  REFUSED

    status is None when there was no answer. retry_after is in seconds, None when the provider did not
    say. task_id is the task that the answer names all the same, "" if none. For the readers of /luma/tasks,
    which are free and repeatable, `sent` has no weight.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        trace_id: str = "",
        whose: Whose = Whose.NOBODY,
        sent: Sent = Sent.MAYBE,
        retry_after: float | None = None,
        task_id: str = "",
    ):
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
        self.trace_id = trace_id
        self.whose = whose
        self.sent = sent
        self.retry_after = retry_after
        self.task_id = task_id

    def in_doubt(self) -> "ProviderError":
        """Return the same error as one after which the request may have been carried out."""
        facts = {name: value for name, value in vars(self).items() if name not in ("code", "message", "sent")}
        return ProviderError(self.code, self.message, sent=Sent.MAYBE, **facts)


# Both generations of the provider's documentation.
WHOSE_BY_CODE = {
    "bad_request": Whose.MEMBER,
    "invalid_request": Whose.MEMBER,
    "request_too_large": Whose.MEMBER,
    "content_too_large": Whose.MEMBER,
    "forbidden": Whose.MEMBER,
    "content_moderation": Whose.MEMBER,
    "no_token": Whose.ADMIN,
    "token_mismatched": Whose.ADMIN,
    "invalid_token": Whose.ADMIN,
    "token_expired": Whose.ADMIN,
    "unauthorized": Whose.ADMIN,
    "used_up": Whose.ADMIN,
    "insufficient_balance": Whose.ADMIN,
    "disabled": Whose.ADMIN,
    "not_applied": Whose.ADMIN,
    "api_not_implemented": Whose.ADMIN,
    "no_api": Whose.ADMIN,
    "task_not_found": Whose.NOBODY,
    "too_many_requests": Whose.NOBODY,
    "rate_limited": Whose.NOBODY,
    "busy": Whose.NOBODY,
    "api_error": Whose.NOBODY,
    "upstream_error": Whose.NOBODY,
    "timeout": Whose.NOBODY,
    "upstream_timeout": Whose.NOBODY,
    "task_failed": Whose.MEMBER,
}
# These say that something went wrong on the way to a video, not that none was begun.
IN_DOUBT = frozenset({"api_error", "upstream_error", "timeout", "upstream_timeout", "task_failed"})
# Timed out, conflicting, given up by us: none of these says that nothing was started.
IN_DOUBT_BY_STATUS = frozenset({408, 409, 499})
# How the provider says that it has no such task.
NO_TASK = frozenset({"task_not_found", "not_found"})

_CODE_BY_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    402: "used_up",
    # Not `forbidden`: a 403 that gives no reason must not be reported as moderation.
    403: "unexplained",
    404: "not_found",
    413: "request_too_large",
    422: "bad_request",
}


def known_code(word: str) -> str:
    """Return the provider's documented code that this word is in any case; "" if it is none."""
    return word.lower() if word.lower() in WHOSE_BY_CODE else ""


def code_by_status(status: int, *, page: bool, spoken: bool) -> str:
    """Name a failure that came without a code.

    page: the body is not the provider's JSON but a gateway's page; spoken: there was a message.
    """
    if status == 429:
        return "too_many_requests"
    if status >= 500:
        return "timeout" if status == 504 and spoken else "api_error"
    if status >= 400:
        return f"http_{status}" if page else _CODE_BY_STATUS.get(status, f"http_{status}")
    return "redirected" if status >= 300 else "unreadable"


def whose_matter(status: int, code: str) -> Whose:
    """Name who can act on a failure: the code decides where it is known, else the status."""
    if code in WHOSE_BY_CODE:
        return WHOSE_BY_CODE[code]
    if status == 429 or status >= 500 or status < 300:
        return Whose.NOBODY
    return Whose.MEMBER if status in (400, 413, 422) and not code.startswith("http_") else Whose.ADMIN


def sent_by(status: int, code: str) -> Sent:
    """Judge whether a paid request that was answered so may have been carried out."""
    if status < 300 or status >= 500:
        return Sent.MAYBE
    if status < 400:
        # "The same request belongs elsewhere" was not carried out; 302 and 303 may follow upon one that was.
        return Sent.REFUSED if status in (301, 307, 308) else Sent.MAYBE
    return Sent.MAYBE if status in IN_DOUBT_BY_STATUS or code in IN_DOUBT else Sent.REFUSED


def retry_after(header: str) -> float | None:
    """Read a Retry-After header, in seconds or as a date; None where it says nothing that can be read."""
    header = header.strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", header):
        return min(float(header), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(header)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), MAX_RETRY_AFTER)
    except (TypeError, ValueError, OverflowError):
        return None
