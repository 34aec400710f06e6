"""What a card says about the task of a row that is not at its end: who cannot look it up, or who else has it."""

from .look_ups import TOKEN_REFUSED
from .news import News
from .results import SAME_TASK
from .state import State

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
