"""Measure how long something has existed, by a clock that nobody can set."""

import time
from collections.abc import Callable, Hashable, Iterable


class AgeTracker:
    """Remembers since when this process has seen each key; a key that disappears starts again.

    The system clock may jump by hours, even during a POST, so a row's timestamps do not prove that it is stuck.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, dict[Hashable, float]] = {}

    def ages(self, kind: str, keys: Iterable[Hashable]) -> dict[Hashable, float]:
        """Return for how many seconds each key has been seen; `keys` are all of this kind that exist now."""
        now, known = self._clock(), self._since.get(kind, {})
        self._since[kind] = {key: known.get(key, now) for key in keys}
        return {key: now - since for key, since in self._since[kind].items()}
