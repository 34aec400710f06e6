"""Measure pages, health checks and callbacks, first alone and then beside clients that neither send nor read."""

import itertools

from ..support.installation import Installation
from ..support.slow_clients import Studio, connected, studio
from . import load, news

TIMES = 300
EACH = 16
KINDS = ("half a header", "half a body", "an unread video", "an unread ZIP")


def measure(house: Installation) -> dict:
    """Of an installation whose web server runs and which holds no generation yet: p95 in milliseconds, and ratios."""
    house.python(news.SEED.format(number=2 * TIMES, provider=house.sandbox_port))
    told = news.callbacks(house.port, 2 * TIMES)
    filled = studio(house)
    slow = [request for kind, request in filled.requests().items() if kind in KINDS] * EACH
    quiet = _p95(house.port, filled, told)
    with connected(house.port, slow):
        beside = _p95(house.port, filled, told)
    return {
        "clients": len(slow),
        "quiet_p95_ms": quiet,
        "slow_p95_ms": beside,
        "ratio": {name: round(beside[name] / quiet[name], 2) for name in quiet},
    }


def _p95(port: int, filled: Studio, told) -> dict[str, float]:
    asked = {
        "page": [filled.get("/")] * TIMES,
        "healthz": [filled.get("/healthz")] * TIMES,
        "callback": itertools.islice(told, TIMES),
    }
    found = {}
    for name, requests in asked.items():
        outcome = load.run(port, iter(requests), 1)
        assert set(outcome.statuses) <= {200, 204}, outcome.statuses
        found[name] = round(outcome.share(0.95) * 1000, 1)
    return found
