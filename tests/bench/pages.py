"""Measure the pages of a filled database: `.venv/bin/python -m tests.bench.pages`. Prints one JSON object.

The database is the one that LUMAWEB_DATA_DIR or DATABASE_URL names, filled by `tests.million`. Pages are asked for as
an admin's browser asks, in this process, through all middleware and with their templates: milliseconds of wall clock,
medians. Beside each stands the obvious way, in the same process and on the same rows.
"""

import json
import os
import statistics
import time
from collections.abc import Callable

TIMES = 31
DEEP = 10_000  # pages


def median(run: Callable, times: int = TIMES, clock: Callable[[], float] = time.perf_counter) -> float:
    """Milliseconds, after three runs that are not counted."""
    for _ in range(3):
        run()
    took = []
    for _ in range(times):
        started = clock()
        run()
        took.append((clock() - started) * 1000)
    return round(statistics.median(took), 2)


def measure() -> dict:
    """The medians by name, in milliseconds."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from tests.bench.usage import measure as measure_usage
    from tests.million import ABSENT, FREQUENT, RARE
    from videos.models import Generation, Member
    from videos.views.gallery import PAGE

    rows = Generation.objects.count()
    ada = Member.objects.filter(is_superuser=True).first()
    admin = Client(headers={"host": "localhost"})
    admin.force_login(ada)

    def ask(path: str, status: int = 200, **headers: str) -> Callable[[], None]:
        def run() -> None:
            answer = admin.get(path, headers=headers)
            assert answer.status_code == status, answer.status_code

        return run

    def queries(run: Callable) -> int:
        run()
        with CaptureQueriesContext(connection) as seen:
            run()
        return len(seen)

    depth = min(DEEP * PAGE, rows // 2)
    below = Generation.objects.for_gallery(ada).values_list("pk", flat=True)[depth - 1]
    as_htmx = {"hx-request": "true", "hx-target": "gallery"}
    words = {"frequent": FREQUENT, "rare": RARE, "absent": ABSENT}
    idle = f"/live/?since={time.time():.3f}&known=&newest={rows}"

    def by_offset() -> None:
        list(Generation.objects.for_gallery(ada)[depth : depth + PAGE + 1])

    def by_key() -> None:
        list(Generation.objects.for_gallery(ada).before(below)[: PAGE + 1])

    def by_like(word: str) -> Callable[[], None]:
        return lambda: list(Generation.objects.for_gallery(ada).filter(prompt__icontains=word)[: PAGE + 1])

    def by_index(word: str) -> Callable[[], None]:
        from videos.forms import FilterForm

        filters = FilterForm({"q": word}).filters(ada)
        return lambda: list(Generation.objects.for_gallery(ada, filters)[: PAGE + 1])

    few = 5 if rows > 10_000 else TIMES
    return {
        "generations": rows,
        "first_page": median(ask("/")),
        "first_page_queries": queries(ask("/")),
        "deep_page": median(ask(f"/?before={below}")),
        "deep_page_queries": queries(ask(f"/?before={below}")),
        "deep_rows_by_key": median(by_key),
        "deep_rows_by_offset": median(by_offset, few),
        "search": {name: median(ask(f"/?q={word}", **as_htmx)) for name, word in words.items()},
        "search_rows_by_index": {name: median(by_index(word)) for name, word in words.items()},
        "search_rows_by_like": {name: median(by_like(word), few) for name, word in words.items()},
        "poll_cpu": median(ask(idle, 204), 301, time.process_time),
        "poll_queries": queries(ask(idle, 204)),
        "reload_cpu": median(ask("/"), TIMES, time.process_time),
        "usage": measure_usage(),
    }


def main() -> None:
    import django

    django.setup()
    print(json.dumps(measure()))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumaweb.settings")
    main()
