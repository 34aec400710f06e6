"""The filters of the gallery."""

from dataclasses import dataclass, replace
from datetime import date

from ..state import State

# The states that each value of the URL's `state` filter selects.
STATES: dict[str, tuple[State, ...]] = {
    "ready": (State.COMPLETED,),
    "making": (State.QUEUED, State.SUBMITTING, State.PROCESSING),
    "failed": (State.FAILED,),
    "unconfirmed": (State.UNCONFIRMED,),
    "canceled": (State.CANCELED,),
}
MODES = ("text", "frames", "extend")


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a gallery page; an empty field does not restrict it.

    member, collection, starred_by: primary keys. mode: one of MODES. ratio: one of RATIOS. state: one of STATES.
    since, until: days in the team's time zone, both included. choice: "picked" or "rejected".
    """

    words: str = ""
    member: int | None = None
    collection: int | None = None
    mode: str = ""
    ratio: str = ""
    state: str = ""
    since: date | None = None
    until: date | None = None
    starred_by: int | None = None
    choice: str = ""

    def __bool__(self) -> bool:
        return self != Filters()

    @property
    def lasting(self) -> "Filters":
        """Return only the filters whose result never changes for a video: those on changeable fields are left out."""
        return replace(self, collection=None, ratio="", state="", starred_by=None, choice="")
