"""Pages, health checks and callbacks, first alone and then beside clients that neither send nor read."""

import itertools
from collections.abc import Iterator
from typing import Any

from ..support.installation import Installation
from ..support.slow_clients import Studio, connected, studio
from . import http_load
from .callbacks import callback_requests, create_processing

TIMES = 300
CLIENTS_OF_EACH_KIND = 16
KINDS = ("half a header", "half a body", "an unread video", "an unread ZIP")


def measure(installation: Installation) -> dict[str, Any]:
    """Measure an installation whose web server runs and which has no generations: p95 in milliseconds, and ratios."""
    create_processing(installation, 2 * TIMES)
    callbacks = callback_requests(installation.port, 2 * TIMES)
    filled = studio(installation)
    slow = [request for kind, request in filled.requests().items() if kind in KINDS] * CLIENTS_OF_EACH_KIND
    quiet = _p95(installation.port, filled, callbacks)
    with connected(installation.port, slow):
        beside = _p95(installation.port, filled, callbacks)
    return {
        "clients": len(slow),
        "quiet_p95_ms": quiet,
        "slow_p95_ms": beside,
        "ratio": {name: round(beside[name] / quiet[name], 2) for name in quiet},
    }


def _p95(port: int, filled: Studio, callbacks: Iterator[bytes]) -> dict[str, float]:
    requests = {
        "page": itertools.repeat(filled.get("/"), TIMES),
        "healthz": itertools.repeat(filled.get("/healthz"), TIMES),
        "callback": itertools.islice(callbacks, TIMES),
    }
    found = {}
    for name, some in requests.items():
        outcome = http_load.send_all(port, some, connections=1)
        assert outcome.statuses.keys() <= {200, 204}, outcome.statuses
        found[name] = outcome.percentile_ms(95)
    return found
