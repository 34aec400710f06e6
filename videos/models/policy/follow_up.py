"""What Lumaweb does about a request that may have been carried out, and how it is explained."""

from dataclasses import dataclass, replace
from enum import StrEnum

LOOK_FOR_IT = "Look for it in the provider's console before anyone retries it; if it is there, adopt it by its task ID."
BY_CALLBACK = "If the provider makes it, its callback brings the video here."
ASK_TO_LOOK = "Ask an admin to look for it in the provider's console."
GIVE_UP = "Retry it if a second charge is acceptable, or dismiss it."
WAIT = "Wait for the result, or retry it at the risk of a second charge."
BY_AUTHOR = "Its author or an admin can retry or dismiss it."


class FollowUp(StrEnum):
    """How the result of an unconfirmed request can still arrive."""

    LOOK_UP = "task ID known"
    OFFERED = "tasks offered"
    SEARCH = "searched for"
    CALLBACK = "callback expected"
    NOT_LISTED = "search over"
    NOTHING = "no list of tasks"


@dataclass(frozen=True, slots=True)
class Words:
    """An explanation in parts.

    text: for everybody. for_author: for the author and for admins. for_admins: for admins only. for_members: for
    members who are not admins. for_others: for everybody but the author and admins.
    """

    text: str
    for_author: str = ""
    for_admins: str = ""
    for_members: str = ""
    for_others: str = ""


WORDS = {
    FollowUp.LOOK_UP: Words("Lumaweb looks it up at the provider by its task ID.", WAIT, for_others=BY_AUTHOR),
    FollowUp.OFFERED: Words(
        "The provider lists tasks that may be this video.", "Choose the right one.", LOOK_FOR_IT, for_others=BY_AUTHOR
    ),
    FollowUp.SEARCH: Words(
        "Lumaweb searches the provider's list of tasks for it.", WAIT, LOOK_FOR_IT, for_others=BY_AUTHOR
    ),
    FollowUp.CALLBACK: Words(BY_CALLBACK, WAIT, LOOK_FOR_IT, for_others=BY_AUTHOR),
    FollowUp.NOT_LISTED: Words(
        "The provider's list of tasks did not have it, and Lumaweb no longer searches for it.",
        GIVE_UP,
        LOOK_FOR_IT,
        ASK_TO_LOOK,
        BY_AUTHOR,
    ),
    FollowUp.NOTHING: Words(
        "Lumaweb cannot look it up: the provider neither lists its tasks nor sends a callback for this one.",
        GIVE_UP,
        LOOK_FOR_IT,
        ASK_TO_LOOK,
        BY_AUTHOR,
    ),
}


def follow_up(*, task_id: str, callback_sent: bool, search_outcome: str, is_searched_for: bool) -> FollowUp:
    """Decide what is being done about an unconfirmed row.

    search_outcome: of the latest search in the provider's list, "" before the first. is_searched_for: whether another
    search follows.
    """
    if task_id:
        return FollowUp.LOOK_UP
    if search_outcome == "offered":
        return FollowUp.OFFERED
    if is_searched_for and search_outcome != "unavailable":
        return FollowUp.SEARCH
    if callback_sent:
        return FollowUp.CALLBACK
    return FollowUp.NOT_LISTED if search_outcome == "not_found" else FollowUp.NOTHING


def words_of(known: FollowUp, *, callback_sent: bool) -> Words:
    """Return the words for what is being done, with the callback that may arrive meanwhile."""
    words = WORDS[known]
    if callback_sent and known in (FollowUp.OFFERED, FollowUp.SEARCH):
        return replace(words, text=f"{words.text} {BY_CALLBACK}")
    return words
