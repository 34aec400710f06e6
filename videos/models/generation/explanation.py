"""Why a generation has no video, in words."""

from .. import policy
from ..policy import causes
from ..policy.causes import Explanation
from ..state import GIVEN_UP, SAME_TASK, TOKEN_REFUSED, State
from .task_search import TaskSearch

_BY_STATE_AND_CODE = {
    (State.PROCESSING, TOKEN_REFUSED): causes.NOT_LOOKED_UP,
    (State.PROCESSING, SAME_TASK): causes.SHARED,
    (State.UNCONFIRMED, SAME_TASK): causes.WITHOUT_TASK,
}


def explain(row: TaskSearch) -> Explanation | None:
    """Explain why the row has no video, or who shares its task; None if nothing is wrong."""
    if task := _BY_STATE_AND_CODE.get((State(row.state), row.error_code)):
        return task
    if row.state == State.QUEUED and row.held_at:
        return causes.held(row.hold_reason)
    if row.state == State.CANCELED:
        return causes.CANCELED
    if row.state not in (State.FAILED, State.UNCONFIRMED) and not (row.state == State.QUEUED and row.error_code):
        return None
    rule = policy.words_for(
        row.state, row.error_code, accepted=bool(row.accepted_at or row.task_id), status=row.error_status
    )
    if row.state == State.UNCONFIRMED:
        return _explain_unconfirmed(row, rule)
    text = f"{rule.text} {_may_still_come(row)}".strip() if row.state == State.FAILED else rule.text
    return Explanation(
        rule.title,
        text,
        advice=rule.advice,
        for_admins=rule.for_admins,
        for_members=rule.for_members,
        for_author=rule.for_author,
        for_others=rule.for_others,
    )


def _explain_unconfirmed(row: TaskSearch, rule: policy.Rule) -> Explanation:
    callback_sent = _callback_sent(row)
    follow_up = policy.follow_up(
        task_id=row.task_id,
        callback_sent=callback_sent,
        search_outcome=row.search_outcome,
        is_searched_for=row.is_searched_for,
    )
    words = policy.words_of(follow_up, callback_sent=callback_sent)
    return Explanation(
        rule.title,
        f"{rule.text} {words.text}",
        rule.advice,
        f"{rule.for_admins} {words.for_admins}".strip(),
        rule.for_members or words.for_members,
        words.for_author,
        words.for_others,
    )


def _may_still_come(row: TaskSearch) -> str:
    """Say how the video of a row that was given up can still arrive; "" if it cannot."""
    if row.error_code not in GIVEN_UP:
        return ""
    if row.task_id and row.next_poll_at:
        return "Lumaweb still looks it up, and the video appears here if it is finished."
    return "If its callback still comes, the video appears here." if _callback_sent(row) else ""


def _callback_sent(row: TaskSearch) -> bool:
    """Whether the request had a callback URL; for rows of an earlier version, whether it would have one now."""
    if row.callback_sent is not None:
        return row.callback_sent
    return bool(row.token and row.token.public_url)
