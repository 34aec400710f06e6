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
        301 307 308  redirected  the wrong address       admin    REFUSED
        3xx     redirected       any other               admin    MAYBE
        400     bad_request                              member   REFUSED
        400     token_mismatched                         admin    REFUSED
        400     api_not_implemented                      nobody   REFUSED
        401     invalid_token token_expired no_token     admin    REFUSED
        403     forbidden        moderation              member   REFUSED
        403     used_up          the balance             admin    REFUSED
        403     disabled                                 admin    REFUSED
        429     too_many_requests  see retry_after       nobody   REFUSED
        4xx     the provider's unknown word              member for 400 403 413 422, else admin; REFUSED
        4xx     http_<status>    a gateway's own page    admin    REFUSED
        408 409 499  whatever the word                   as above MAYBE
        500     api_error                                nobody   MAYBE
        504     timeout                                  nobody   MAYBE
        5xx     api_error        a gateway's own page    nobody   MAYBE

    status is None when there was no answer. retry_after is in seconds, None when the provider did not
    say. For the readers of /luma/tasks, which are free and repeatable, `sent` has no weight.
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
    ):
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
        self.trace_id = trace_id
        self.whose = whose
        self.sent = sent
        self.retry_after = retry_after


WHOSE_BY_CODE = {
    "bad_request": Whose.MEMBER,
    "token_mismatched": Whose.ADMIN,
    "api_not_implemented": Whose.NOBODY,
    "invalid_token": Whose.ADMIN,
    "token_expired": Whose.ADMIN,
    "no_token": Whose.ADMIN,
    "forbidden": Whose.MEMBER,
    "used_up": Whose.ADMIN,
    "disabled": Whose.ADMIN,
    "too_many_requests": Whose.NOBODY,
    "api_error": Whose.NOBODY,
    "timeout": Whose.NOBODY,
}
_CODE_BY_STATUS = {
    400: "bad_request",
    401: "invalid_token",
    402: "used_up",
    403: "forbidden",
    422: "bad_request",
    504: "timeout",
}


def code_by_status(status: int, spoken: bool) -> str:
    """Name a failure that came without a code; `spoken` tells the provider's words from a gateway's page."""
    if status == 429:
        return "too_many_requests"
    if spoken and status in _CODE_BY_STATUS:
        return _CODE_BY_STATUS[status]
    if status >= 500:
        return "api_error"
    if 300 <= status < 400:
        return "redirected"
    # A gateway's 403 must not be told to a member as moderation, so it gets no word of the provider's.
    return f"http_{status}" if status >= 400 else "api_error"


def whose_matter(status: int, code: str, spoken: bool) -> Whose:
    if code in WHOSE_BY_CODE:
        return WHOSE_BY_CODE[code]
    if status == 429 or status >= 500 or status < 300:
        return Whose.NOBODY
    return Whose.MEMBER if spoken and status in (400, 403, 413, 422) else Whose.ADMIN


def sent_by(status: int, code: str) -> Sent:
    if status < 300 or status >= 500 or code in ("api_error", "timeout"):
        return Sent.MAYBE
    if status < 400:
        # "The same request belongs elsewhere" was not carried out; 302 and 303 may follow upon one that was.
        return Sent.REFUSED if status in (301, 307, 308) else Sent.MAYBE
    # Timed out, conflicting, given up by us: none of these says that nothing was started.
    return Sent.MAYBE if status in (408, 409, 499) else Sent.REFUSED


def retry_after(header: str) -> float | None:
    header = header.strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", header):
        return min(float(header), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(header)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), MAX_RETRY_AFTER)
    except (TypeError, ValueError, OverflowError):
        return None
