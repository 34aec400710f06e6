"""Timing of a function."""

import statistics
import time
from collections.abc import Callable


def median_ms(
    run: Callable[[], object], times: int, *, warm_up: int = 1, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the median milliseconds of some runs, after some that are not counted."""
    for _ in range(warm_up):
        run()
    seconds = []
    for _ in range(times):
        started = clock()
        run()
        seconds.append(clock() - started)
    return round(statistics.median(seconds) * 1000, 2)
