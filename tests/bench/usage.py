"""Measure the usage page on a database that is there: `.venv/bin/python -m tests.bench.usage`. Prints a table.

The database is the one that LUMAWEB_DATA_DIR or DATABASE_URL names, best filled by `tests.million`. First the roll-ups
are made, which is timed too; then the page is asked for as an admin sees it, through all middleware and with its
template, for thirty days, a year and all time. Beside it, in the same process: the same page from rows that are counted
each time, which is the obvious way.
"""

import os
import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta

TIMES = 11


def measure(times: int = TIMES) -> dict:
    """Medians in milliseconds of the open default database, and how long it took to make the roll-ups, in seconds."""
    from django.db import connection
    from django.db.models import Min
    from django.test import Client
    from django.utils import timezone

    from videos.models import Generation, Member, RollUp, RollUpMark
    from videos.reports.rollup_pass import roll_up

    rows = Generation.objects.count()
    today = timezone.localdate()
    first = timezone.localdate(Generation.objects.aggregate(at=Min("created_at"))["at"])
    RollUpMark.objects.all().delete()
    RollUp.objects.all().delete()
    admin = Client(headers={"host": "localhost"})
    admin.force_login(Member.objects.filter(is_superuser=True).first())
    ranges = {"30 days": today - timedelta(days=29), "a year": today - timedelta(days=364), "all": first}

    def page(since: date) -> Callable[[], None]:
        def ask() -> None:
            answer = admin.get("/usage/", {"since": since.isoformat(), "until": today.isoformat()}, secure=False)
            assert answer.status_code == 200, answer.status_code

        return ask

    # Without roll-ups every day is counted from its rows.
    few = max(3, times // 3)
    obvious = {name: median(page(since), few) for name, since in ranges.items()}
    started = time.perf_counter()
    while not roll_up(seconds=60):
        pass
    made = time.perf_counter() - started
    if connection.vendor == "postgresql":
        # As its autovacuum does within a minute.
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE videos_rollup")
    ours = {name: median(page(since), times) for name, since in ranges.items()}
    return {
        "generations": rows,
        "roll_ups": RollUp.objects.count(),
        "made_s": round(made, 2),
        "pass_ms": median(roll_up, times),
        "usage_ms": ours,
        "counting_rows_ms": obvious,
        "ratio": {name: round(obvious[name] / ours[name], 1) for name in ranges},
    }


def median(run: Callable, times: int) -> float:
    """Milliseconds, after one run that is not counted."""
    run()
    took = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        took.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(took), 1)


def main() -> None:
    import django

    django.setup()
    from django.db import connection

    found = measure()
    print(f"{connection.vendor}, {found['generations']:,} generations, {found['roll_ups']:,} roll-ups")
    print(f"making the roll-ups        {found['made_s']:9.2f} s")
    print(f"a pass with nothing to do  {found['pass_ms']:9.1f} ms")
    print(f"{'usage page':12} {'roll-ups':>12} {'counting rows':>15} {'ratio':>8}")
    for name, ms in found["usage_ms"].items():
        print(f"{name:12} {ms:9.1f} ms {found['counting_rows_ms'][name]:12.1f} ms {found['ratio'][name]:8.1f}")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumaweb.settings")
    main()
