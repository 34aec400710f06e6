"""Which rule an outcome falls under."""

from dataclasses import replace

from ... import provider
from .readers import AGAIN
from .rules import (
    BAD_REQUEST,
    DOUBT,
    FAILED,
    FORMER,
    INVALID_TOKEN,
    LIMIT,
    NEVER_SENT,
    NOT_THE_API,
    NOTHING_CHARGED,
    ONLY_FINISHED,
    OURS,
    POST,
    QUEUED,
    REDIRECTED,
    TASK,
    TOO_LARGE,
    UNCONFIRMED,
    UNEXPLAINED,
    UNKNOWN_DOUBT,
    UNKNOWN_TASK,
    USED_UP,
    Rule,
)

_BY_STATUS = {
    400: BAD_REQUEST,
    401: INVALID_TOKEN,
    402: USED_UP,
    404: NOT_THE_API,
    413: TOO_LARGE,
    422: BAD_REQUEST,
    429: LIMIT,
}


def rule_for(error: provider.ProviderError) -> Rule:
    """Return the rule for a POST that ended with this error.

    Where the request may have arrived, no code turns that into a refusal or has it sent again.
    """
    if error.sent is provider.Sent.MAYBE:
        return DOUBT.get(error.code, UNKNOWN_DOUBT)
    if error.sent is provider.Sent.NEVER:
        return POST.get(error.code, NEVER_SENT)
    return POST.get(error.code) or by_status(error.code, error.status)


def by_status(code: str, status: int | None) -> Rule:
    """Return the rule for a refusal whose code is not known; `http_…` is the code of a page not the provider's."""
    if status is not None and 300 <= status < 400:
        return REDIRECTED
    if status != 429 and code.startswith("http_"):
        return NOT_THE_API
    return _BY_STATUS.get(status or 0, UNEXPLAINED)


def is_about_the_request(error: provider.ProviderError) -> bool:
    """Whether another form of the same request may be accepted: its payload, or a video it names, was refused."""
    if error.sent is not provider.Sent.REFUSED or error.status not in (400, 404, 422):
        return False
    if error.code in POST:
        return POST[error.code].next_state == FAILED
    return error.status != 404 or not (error.code.startswith("http_") or error.code == "not_found")


def is_ours(code: str) -> bool:
    """Whether Lumaweb gave this code, and the message with it, and not the provider."""
    return code in OURS


def words_for(state: str, code: str, *, accepted: bool, status: int | None = None) -> Rule:
    """Return the rule that explains a row in this state with this code and HTTP status.

    accepted: the provider has, or had, a task of it. The status is not known of rows of an earlier version.
    """
    if state == UNCONFIRMED:
        return DOUBT.get(code, UNKNOWN_DOUBT)
    if accepted and state == FAILED:
        return TASK.get(code) or _of_a_task(_ending_as(state, code)) or UNKNOWN_TASK
    if known := _ending_as(state, code):
        return known
    if state == FAILED and code in TASK and code not in POST:
        return TASK[code]
    rule = POST.get(code) or by_status(code, status)
    if rule.next_state == state:
        return rule
    return NEVER_SENT if state == QUEUED else _not_sent_again(rule)


def _of_a_task(rule: Rule | None) -> Rule | None:
    """Return the rule of a refusal after a task was started: only the provider's documents say what is charged."""
    return rule and replace(rule, text=rule.text.replace(NOTHING_CHARGED, ONLY_FINISHED))


def _not_sent_again(rule: Rule) -> Rule:
    """Return the rule of a row that is not resent, as it was unconfirmed before: its member may have retried it."""
    return replace(
        rule,
        next_state=FAILED,
        text="The request was not carried out. Lumaweb does not resend it, as its outcome had been in doubt. "
        + NOTHING_CHARGED,
        **AGAIN,
        resent="",
    )


def _ending_as(state: str, code: str) -> Rule | None:
    rule = POST.get(code) or FORMER.get(code)
    return rule if rule and rule.next_state == state else None
