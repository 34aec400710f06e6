"""How long the ticker itself has seen something, by a clock that nobody can set."""

import time
from collections.abc import Callable, Hashable, Iterable


class AgeTracker:
    """Remembers since when each thing has been there; what is gone once begins anew.

    The clock on the wall may jump by hours, also while a POST is under way: what it says of a row's age is no reason
    to doubt or to give up that row.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, dict[Hashable, float]] = {}

    def ages(self, kind: str, there: Iterable[Hashable]) -> dict[Hashable, float]:
        """Return for how many seconds each of these things has been seen; all of this kind that are there now."""
        now, known = self._clock(), self._since.get(kind, {})
        self._since[kind] = {thing: known.get(thing, now) for thing in there}
        return {thing: now - since for thing, since in self._since[kind].items()}
