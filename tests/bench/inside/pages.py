"""Measure the pages of a filled database: `.venv/bin/python -m tests.bench.inside.pages`. Prints one JSON object.

The database is the one that LUMAWEB_DATA_DIR or DATABASE_URL names, filled by `tests.million`. Requests are an admin's,
in this process, through all middleware and with their templates: median milliseconds of wall clock. Baselines are
measured in the same process and on the same rows.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from videos.forms import FilterForm
from videos.models import Generation, Member
from videos.views.gallery import PAGE_SIZE

from ...million.prompts import ABSENT, FREQUENT, RARE
from .timing import median_ms
from .usage import measure as measure_usage

TIMES = 31
POLL_TIMES = 301
SLOW_TIMES = 5  # for a baseline on many rows
MANY_ROWS = 10_000
WARM_UP = 3
DEEP_PAGES = 10_000
WORDS = {"frequent": FREQUENT, "rare": RARE, "absent": ABSENT}

Run = Callable[[], object]


def measure() -> dict[str, Any]:
    """Return median milliseconds and numbers of queries, by name."""
    admin = Member.objects.filter(is_superuser=True).earliest("pk")
    rows = Generation.objects.count()
    return {
        "generations": rows,
        **_measure_pages(admin, rows),
        **_measure_rows(admin, rows),
        "usage": measure_usage(),
    }


def _measure_pages(admin: Member, rows: int) -> dict[str, Any]:
    client = Client(headers={"host": "localhost"})
    client.force_login(admin)

    def request(path: str, status: int = 200, **headers: str) -> Run:
        def run() -> None:
            response = client.get(path, headers=headers)
            assert response.status_code == status, response.status_code

        return run

    first_page, deep_page = request("/"), request(f"/?before={_deep_key(admin, rows)}")
    idle_poll = request(f"/live/?since={time.time():.3f}&known=&newest={rows}", 204)
    as_htmx = {"hx-request": "true", "hx-target": "gallery"}
    return {
        "first_page": _median(first_page),
        "first_page_queries": _count_queries(first_page),
        "deep_page": _median(deep_page),
        "deep_page_queries": _count_queries(deep_page),
        "search": {name: _median(request(f"/?q={word}", **as_htmx)) for name, word in WORDS.items()},
        "poll_cpu": median_ms(idle_poll, POLL_TIMES, warm_up=WARM_UP, clock=time.process_time),
        "poll_queries": _count_queries(idle_poll),
        "reload_cpu": median_ms(first_page, TIMES, warm_up=WARM_UP, clock=time.process_time),
    }


def _measure_rows(admin: Member, rows: int) -> dict[str, Any]:
    """Measure the queries of the gallery beside their baselines."""
    depth, key = _depth(rows), _deep_key(admin, rows)
    gallery = Generation.objects.for_gallery

    def by_index(word: str) -> Run:
        filters = FilterForm({"q": word}).filters(admin)
        return lambda: list(gallery(admin, filters)[: PAGE_SIZE + 1])

    def by_like(word: str) -> Run:
        return lambda: list(gallery(admin).filter(prompt__icontains=word)[: PAGE_SIZE + 1])

    times = SLOW_TIMES if rows > MANY_ROWS else TIMES
    return {
        "deep_rows_by_key": _median(lambda: list(gallery(admin).before(key)[: PAGE_SIZE + 1])),
        "deep_rows_by_offset": _median(lambda: list(gallery(admin)[depth : depth + PAGE_SIZE + 1]), times),
        "search_rows_by_index": {name: _median(by_index(word)) for name, word in WORDS.items()},
        "search_rows_by_like": {name: _median(by_like(word), times) for name, word in WORDS.items()},
    }


def _depth(rows: int) -> int:
    return min(DEEP_PAGES * PAGE_SIZE, rows // 2)


def _deep_key(admin: Member, rows: int) -> int:
    """Return the key of the row before the deep page."""
    return Generation.objects.for_gallery(admin).values_list("pk", flat=True)[_depth(rows) - 1]


def _median(run: Run, times: int = TIMES) -> float:
    return median_ms(run, times, warm_up=WARM_UP)


def _count_queries(run: Run) -> int:
    run()
    with CaptureQueriesContext(connection) as queries:
        run()
    return len(queries)


if __name__ == "__main__":
    print(json.dumps(measure()))
