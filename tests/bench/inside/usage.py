"""Measure the usage page: `.venv/bin/python -m tests.bench.inside.usage`. Prints a table.

The database is the one that LUMAWEB_DATA_DIR or DATABASE_URL names, preferably filled by `tests.million`. Builds the
roll-ups, then requests the page as an admin, through all middleware and with its template, for thirty days, a year and
all time. The baseline is the same page before the roll-ups exist, which counts the rows.
"""

import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.db import connection
from django.db.models import Min
from django.test import Client
from django.utils import timezone

from videos.models import Generation, Member, RollUp, RollUpMark
from videos.reports.rollup_pass import roll_up

from .timing import median_ms

TIMES = 11


def measure(times: int = TIMES) -> dict[str, Any]:
    """Return median milliseconds of the default database, and the seconds it took to build the roll-ups."""
    today = timezone.localdate()
    first_day = timezone.localdate(Generation.objects.aggregate(at=Min("created_at"))["at"])
    RollUpMark.objects.all().delete()
    RollUp.objects.all().delete()
    ranges = {"30 days": today - timedelta(days=29), "a year": today - timedelta(days=364), "all": first_day}
    client = Client(headers={"host": "localhost"})
    client.force_login(Member.objects.filter(is_superuser=True).earliest("pk"))
    requests = {name: _request(client, since, today) for name, since in ranges.items()}
    counting_rows = {name: median_ms(request, max(3, times // 3)) for name, request in requests.items()}
    started = time.perf_counter()
    while not roll_up(seconds=60):
        pass
    build_seconds = time.perf_counter() - started
    if connection.vendor == "postgresql":
        # Autovacuum does this within a minute.
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE videos_rollup")
    rolled_up = {name: median_ms(request, times) for name, request in requests.items()}
    return {
        "generations": Generation.objects.count(),
        "roll_ups": RollUp.objects.count(),
        "made_s": round(build_seconds, 2),
        "pass_ms": median_ms(roll_up, times),
        "usage_ms": rolled_up,
        "counting_rows_ms": counting_rows,
        "ratio": {name: round(counting_rows[name] / rolled_up[name], 1) for name in ranges},
    }


def _request(client: Client, since: date, until: date) -> Callable[[], None]:
    def run() -> None:
        response = client.get("/usage/", {"since": since.isoformat(), "until": until.isoformat()})
        assert response.status_code == 200, response.status_code

    return run


def main() -> None:
    found = measure()
    print(f"{connection.vendor}, {found['generations']:,} generations, {found['roll_ups']:,} roll-ups")
    print(f"building the roll-ups      {found['made_s']:9.2f} s")
    print(f"a pass with nothing to do  {found['pass_ms']:9.1f} ms")
    print(f"{'usage page':12} {'roll-ups':>12} {'counting rows':>15} {'ratio':>8}")
    for name, ms in found["usage_ms"].items():
        print(f"{name:12} {ms:9.1f} ms {found['counting_rows_ms'][name]:12.1f} ms {found['ratio'][name]:8.1f}")


if __name__ == "__main__":
    main()
