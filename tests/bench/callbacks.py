"""How results are recorded.

Callbacks: different ones over 8 connections to a real web server, each checked in the database afterwards. Sweep: one
round with as many generations in progress, and one look-up of all of them.
"""

import json
from collections.abc import Iterator
from typing import Any

from ..support.installation import Installation
from . import http_load

CONNECTIONS = 8


def callback_requests(port: int, number: int) -> Iterator[bytes]:
    """Yield the callbacks of the generations that inside.fixtures.create_processing makes."""
    for row in range(number):
        body = {
            "success": True,
            "task_id": f"task-{row}",
            "video_id": f"video-{row}",
            "state": "completed",
            "prompt": f"number {row}",
            "video_url": f"https://platform.cdn.acedata.cloud/{row}.mp4",
            "video_width": 1360,
            "video_height": 752,
        }
        path = f"/callbacks/luma/00000000-0000-0000-0000-{row:012x}/key-{row}/"
        yield http_load.build_post("127.0.0.1", port, path, json.dumps(body).encode())


def create_processing(installation: Installation, number: int) -> None:
    base_url = f"http://127.0.0.1:{installation.sandbox_port}"
    installation.python(f"from tests.bench.inside import fixtures\nfixtures.create_processing({number}, {base_url!r})")


def measure(installation: Installation, number: int) -> dict[str, Any]:
    """Measure an installation whose web server runs and which has no generations; milliseconds and seconds."""
    create_processing(installation, number)
    swept, looked_up = map(
        float,
        installation.python(
            f"from tests.bench.inside import work\nprint(*work.sweep_and_poll({number}, {installation.sandbox_port}))"
        ).split(),
    )
    outcome = http_load.send_all(installation.port, callback_requests(installation.port, number), CONNECTIONS)
    counted = installation.python("from tests.bench.inside import fixtures\nprint(*fixtures.count_completed())")
    recorded, events, slots = map(int, counted.split())
    return {
        "number": number,
        "per_s": round(number / outcome.seconds),
        "median_ms": outcome.percentile_ms(50),
        "p99_ms": outcome.percentile_ms(99),
        "lost": number - recorded,
        "counted_twice": events - recorded,
        "slots_still_held": slots,
        "statuses": outcome.statuses,
        "sweep_ms": round(swept * 1000),
        "asking_for_all_s": round(looked_up, 1),
    }
