"""Why a generation has no video, in words."""

from dataclasses import dataclass

from .. import policy
from ..state import HELD_UNSENT, SAME_TASK, TOKEN_REFUSED, HoldReason, State
from .task_search import TaskSearch


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened to a video and what to do next.

    advice: what every member can do. for_members: for members who are not admins. for_author: for the author and for
    admins. for_admins: for admins only.
    """

    title: str
    text: str
    advice: str = ""
    for_admins: str = ""
    for_members: str = ""
    for_author: str = ""


_WHY_HELD: dict[str, str] = {
    HoldReason.RESTORE: "After this video was requested, Lumaweb was restored from a backup or moved to another "
    "database, so it may have been sent before.",
    HoldReason.PROVIDER: "After this video was requested, the provider was changed, so another one would charge for "
    "it.",
    HoldReason.MEDIA: "It was queued while the media were moved to another storage.",
    HoldReason.UNKNOWN: "After this video was requested, Lumaweb was restored from a backup, so it may have been sent "
    "before, or its provider was changed, so another one would charge for it.",
}
NOT_LOOKED_UP = Explanation(
    "Not looked up",
    "The provider is making this video, but no longer accepts the API token that requested it, so Lumaweb cannot "
    "look it up. Look-ups continue as soon as an admin replaces the token's secret.",
    for_members="Ask an admin to replace it.",
    for_admins="Replace its secret by another one of the same account. The provider may forget a task after a day.",
)
SHARED = Explanation(
    "Same task as another video",
    "The provider named the same task for two requests. The finished video appears here.",
    for_admins="The video's events name the other video. Compare both with the provider's console.",
)
WITHOUT_TASK = Explanation(
    "Same task as another video",
    "The provider named the task of another video for this request. It may have started and charged one video or two. "
    "Lumaweb searches the provider's listing for another one and never resends this video automatically.",
    for_admins="The video's events name the other video. Compare both with the provider's console.",
)
_BY_STATE_AND_CODE = {
    (State.PROCESSING, TOKEN_REFUSED): NOT_LOOKED_UP,
    (State.PROCESSING, SAME_TASK): SHARED,
    (State.UNCONFIRMED, SAME_TASK): WITHOUT_TASK,
}


def explain(row: TaskSearch) -> Explanation | None:
    """Explain why the row has no video, or who shares its task; None if nothing is wrong."""
    if task := _BY_STATE_AND_CODE.get((State(row.state), row.error_code)):
        return task
    if row.state == State.QUEUED and row.held_at:
        return _explain_held(row.hold_reason)
    if row.state not in (State.FAILED, State.UNCONFIRMED) and not (row.state == State.QUEUED and row.error_code):
        return None
    rule = policy.words_for(
        row.state, row.error_code, accepted=bool(row.accepted_at or row.task_id), status=row.error_status
    )
    if row.state == State.UNCONFIRMED:
        return _explain_unconfirmed(row, rule)
    text = f"{rule.text} {_may_still_come(row)}".strip() if row.state == State.FAILED else rule.text
    return Explanation(rule.title, text, rule.advice, rule.for_admins, rule.for_members)


def _explain_held(reason: str) -> Explanation:
    adopting = "" if reason in HELD_UNSENT else ", or adopt its task"
    return Explanation(
        "Held",
        f"{_WHY_HELD.get(reason, _WHY_HELD[HoldReason.UNKNOWN])} It is not sent until an admin decides.",
        for_members="Ask an admin to release it.",
        for_admins=f"Send or cancel it on the Provider page{adopting}.",
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
    )


def _may_still_come(row: TaskSearch) -> str:
    """Say how the video of a row that was given up can still arrive; "" if it cannot."""
    if row.error_code not in ("dismissed", "overdue"):
        return ""
    if row.task_id and row.next_poll_at:
        return "Lumaweb still looks it up, and the video appears here if it is finished."
    return "If its callback still comes, the video appears here." if _callback_sent(row) else ""


def _callback_sent(row: TaskSearch) -> bool:
    """Whether the request had a callback URL; for rows of an earlier version, whether it would have one now."""
    if row.callback_sent is not None:
        return row.callback_sent
    return bool(row.token and row.token.public_url)
