"""A generation's state in words."""

from dataclasses import dataclass

from .. import policy
from ..state import State
from .polling import TOKEN_REFUSED
from .results import SAME_TASK


@dataclass(frozen=True, slots=True)
class News:
    """A state in words.

    who: an action for every member. ask: for members who are no admins. own: for its author, or an admin. admin: what
    an admin reads besides.
    """

    title: str
    text: str
    who: str = ""
    admin: str = ""
    ask: str = ""
    own: str = ""


HELD = News(
    "Held",
    "After this video was requested, Lumaweb was restored from a backup, so it may have been sent before, or its "
    "provider was changed, so that another one would charge for it. It is not sent until an admin decides.",
    ask="Ask an admin to release it.",
    admin="Release it under Generations if it was not sent, or adopt its task.",
)


def explain(row) -> News | None:
    """Say why a row without a video is where it is; None while all is well."""
    if row.state == State.QUEUED and row.held_at:
        return HELD
    if row.state not in (State.FAILED, State.UNCONFIRMED) and not (row.state == State.QUEUED and row.error_code):
        return None
    rule = policy.words_for(
        row.state, row.error_code, accepted=bool(row.accepted_at or row.task_id), status=row.error_status
    )
    text, admin, own, ask = rule.text, rule.admin, "", rule.ask
    if row.state == State.UNCONFIRMED:
        callback_sent = _callback_sent(row)
        known = policy.follow_up(
            task_id=row.task_id,
            callback_sent=callback_sent,
            search_outcome=row.search_outcome,
            is_searched_for=row.is_searched_for,
        )
        doing = policy.words_of(known, callback_sent=callback_sent)
        text, admin, own = f"{text} {doing.text}", f"{admin} {doing.admin}".strip(), doing.own
        ask = ask or doing.ask
    elif row.state == State.FAILED:
        text = f"{text} {_may_still_come(row)}".strip()
    return News(rule.title, text, rule.who, admin, ask, own)


def _may_still_come(row) -> str:
    """How the video of a row that was given up can still come; "" if it cannot."""
    if row.error_code not in ("dismissed", "overdue"):
        return ""
    if row.task_id and row.ask_at:
        return "Lumaweb still looks it up, and the video appears here if it is finished."
    return "If its callback still comes, the video appears here." if _callback_sent(row) else ""


def _callback_sent(row) -> bool:
    """Whether the provider was told where to call back; of rows of an earlier version, whether it would be now."""
    if row.callback_sent is not None:
        return row.callback_sent
    return bool(row.token and row.token.public_url)


REFUSED = News(
    "Not looked up",
    "The provider is making this video, but no longer accepts the API token that requested it, so Lumaweb cannot "
    "look it up. Look-ups continue as soon as an admin replaces the token's secret.",
    ask="Ask an admin to replace it.",
    admin="Replace its secret by another one of the same account. The provider may forget a task after a day.",
)
SHARED = News(
    "Same task as another video",
    "The provider named the same task for two requests. The finished video appears here.",
    admin="The video's events name the other video. Compare both with the provider's console.",
)
WITHOUT_TASK = News(
    "Same task as another video",
    "The provider named the task of another video for this request. It may have started and charged one video or two. "
    "Lumaweb searches the provider's listing for another one and never resends this video automatically.",
    admin="The video's events name the other video. Compare both with the provider's console.",
)
_BY_PLACE = {
    (State.PROCESSING, TOKEN_REFUSED): REFUSED,
    (State.PROCESSING, SAME_TASK): SHARED,
    (State.UNCONFIRMED, SAME_TASK): WITHOUT_TASK,
}


def task_news(state: str, error_code: str) -> News | None:
    """Explain a row in this state with this code; None where its task is as it should be."""
    return _BY_PLACE.get((State(state), error_code))
