"""Roll-ups while other processes write."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from videos.models import Generation, Member, RollUp
from videos.reports import counting, rollups
from videos.reports.periods import DateRange
from videos.reports.rollup_pass import roll_up
from videos.reports.usage import tallies

from ..support.factories import a_generation, a_member
from ..support.rollups import DAYS, NoCorrections, asked, is_exact, is_rolled_up, today


@pytest.mark.django_db(transaction=True)
def test_under_concurrent_writes_the_sums_always_equal_the_rows():
    """Writers, passes and readers run in threads; each reader compares its figures with a full count."""
    members = [a_member(f"member{number}") for number in range(3)]
    for number in range(60):
        asked(members[number % 3], number % DAYS)
    errors: list[BaseException] = []
    busy = len(members)
    reads = passes = 0

    def writer(member: Member) -> None:
        nonlocal busy
        try:
            for number, row in enumerate(Generation.objects.filter(member=member)):
                row.cancel(member)
                if number % 2:
                    row.trash(member)
                if number % 4 == 1:
                    row.purge()
                asked_now = a_generation(member)
                if number % 3:
                    asked_now.cancel(member)
        finally:
            busy -= 1

    def passing() -> None:
        nonlocal passes
        while busy:
            roll_up(seconds=0.01, chunk_size=20)
            passes += 1

    def reader() -> None:
        nonlocal reads
        within = (today() - timedelta(days=DAYS), today())
        while busy:
            with rollups.snapshot():
                ahead = rollups.read_totals(*within)
                now = counting.group_tallies(counting.count_videos((within[0], within[1] + counting.ONE_DAY)))
            expected, found = Counter(), Counter()
            for row in now:
                expected[row.by, row.key, row.state] += row.videos
                expected[row.by, row.key, row.state, "amount"] += row.amount
            for by in RollUp.By.values:
                for row in ahead[by]:
                    found[by, row.key, row.state] += row.videos
                    found[by, row.key, row.state, "amount"] += row.amount
            assert found == expected
            reads += 1

    def guarded(work, *args) -> None:
        try:
            work(*args)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=guarded, args=(writer, member)) for member in members]
    threads += [threading.Thread(target=guarded, args=(work,)) for work in (passing, passing, reader, reader)]
    with NoCorrections():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors, errors
    assert reads and passes
    while not roll_up():
        pass
    assert is_rolled_up()
    is_exact()
    assert sum(row.videos for row in tallies(DateRange(today() - timedelta(days=DAYS), today()))) == 120
