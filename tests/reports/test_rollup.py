"""Roll-ups equal the rows, after every step of random histories and under concurrent writes."""

import logging
import uuid
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from videos.jobs import sweep
from videos.models import Generation, Member, RollUp, RollUpMark
from videos.provider import Sent
from videos.reports import counting
from videos.reports.periods import DateRange
from videos.reports.rollup_pass import roll_up
from videos.reports.usage import report

from ..support.factories import a_member, a_token, an_admin, an_error
from ..support.rollups import (
    DAYS,
    SMALL_CHUNK,
    ZONES,
    NoCorrections,
    an_hour_passes,
    asked,
    is_exact,
    is_rolled_up,
    today,
)


@pytest.fixture
def ada(db) -> Member:
    return a_member("ada")


def test_once_rolled_up_nothing_is_counted_from_the_rows(ada):
    for days_ago in range(DAYS):
        asked(ada, days_ago)
    assert roll_up() and is_rolled_up()
    # A sum that was changed by hand is read as stored, as long as its day does not change.
    RollUp.objects.filter(by="token", day=today()).update(videos=70)
    assert report(DateRange(today(), today())).total.requested == 70


def test_a_change_is_shown_at_once_and_recounts_only_its_day(ada):
    rows = [asked(ada, days_ago) for days_ago in range(DAYS)]
    roll_up()
    rows[4].cancel(ada)
    assert RollUpMark.current().changed_days(date(2001, 1, 1), today()) == [today() - timedelta(days=4)]
    is_exact()
    with NoCorrections():
        roll_up()
    assert is_rolled_up()
    is_exact()


def test_rows_older_than_the_roll_ups_are_counted_in_chunks(ada):
    for days_ago in range(DAYS):
        asked(ada, days_ago, takes=2)
    passes = 0
    while not roll_up(seconds=0, chunk_size=SMALL_CHUNK):
        passes += 1
        is_exact()
    assert passes >= 3
    assert is_rolled_up()


def test_changes_beyond_one_round_are_counted_in_the_next_ones(ada):
    rows = [asked(ada, days_ago) for days_ago in range(DAYS)]
    roll_up()
    for row in rows:
        row.cancel(ada)
    passes = 1
    while not roll_up(seconds=0, chunk_size=SMALL_CHUNK):
        passes += 1
        is_exact()
    assert 1 < passes <= DAYS
    assert is_rolled_up()


def test_an_idle_installation_writes_no_sums(ada):
    asked(ada)
    roll_up()
    before = set(RollUp.objects.values_list("pk", flat=True)), RollUpMark.objects.get().version
    roll_up()
    assert (set(RollUp.objects.values_list("pk", flat=True)), RollUpMark.objects.get().version) == before


def test_of_two_concurrent_passes_one_gives_way(ada):
    row = asked(ada)
    roll_up()
    slow = RollUpMark.current()
    day = (today(), today() + counting.ONE_DAY)
    old = counting.group_tallies(counting.count_videos(day))
    row.cancel(ada)
    roll_up()
    assert not slow.replace(*day, old)
    is_exact()


def test_the_ticker_updates_the_roll_ups(ada):
    asked(ada, 2)
    sweep.sweep()
    assert is_rolled_up()


def test_a_new_time_zone_recounts_everything(ada):
    for hours in range(0, 72, 5):
        row = asked(ada)
        Generation.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(hours=hours))
    an_hour_passes()
    asked(ada)  # so that the others are no longer among the latest changes
    roll_up()
    for zone in ZONES:
        with timezone.override(zone):
            is_exact()
            while not roll_up(chunk_size=SMALL_CHUNK):
                is_exact()
            assert is_rolled_up()
            is_exact()


def test_a_time_far_in_the_future_is_ignored(ada):
    row = asked(ada)
    roll_up()
    RollUpMark.objects.update(at=timezone.now() + timedelta(days=3))
    row.cancel(ada)
    assert RollUpMark.current() is None
    is_exact()
    roll_up()
    assert is_rolled_up()


def test_a_change_by_a_clock_that_is_minutes_behind_is_seen(ada):
    row = asked(ada)
    an_hour_passes()
    asked(ada)
    roll_up()
    row.cancel(ada)
    Generation.objects.filter(pk=row.pk).update(changed_at=timezone.now() - timedelta(minutes=10))
    is_exact()
    roll_up()
    is_exact()


def test_a_wrong_sum_is_logged_and_corrected(ada, caplog):
    for days_ago in range(DAYS):
        asked(ada, days_ago)
    roll_up()
    wrong = today() - timedelta(days=9)
    RollUp.objects.filter(day=wrong, by="member").update(amount=5)
    with caplog.at_level(logging.ERROR):
        for _ in range(DAYS + 2):
            roll_up(chunk_size=1)
    assert [record.getMessage() for record in caplog.records] == [
        f"the usage sums of {wrong} did not match their videos; recounting"
    ]
    is_exact()


def test_purged_failures_are_counted_and_not_shown(ada):
    first, last = (asked(ada, prompt=f"take {number}") for number in range(2))
    for row in (first, last):
        row.claim() if a_token(uuid.uuid4().hex) else None
        row.refuse(an_error("forbidden", Sent.REFUSED, status=403))
    roll_up()
    within = DateRange(today(), today())
    assert report(within).failures[0].latest == last
    last.trash(ada)
    assert report(within).failures[0].latest == first
    roll_up()
    assert (report(within).failures[0].videos, report(within).failures[0].latest) == (2, first)


def test_the_page_makes_a_constant_number_of_queries(client, ada, django_assert_num_queries):
    """With roll-ups, without, and with days that changed since."""
    client.force_login(an_admin())
    address = f"/usage/?since={today() - timedelta(days=400)}&until={today()}"
    rows = [asked(ada, days_ago) for days_ago in range(3)]
    while not roll_up():
        pass
    client.get(address)  # the first request also records the member's visit
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    few = len(queries)
    assert few <= 15
    rows += [asked(ada, days_ago % 300) for days_ago in range(0, 6000, 31)]
    while not roll_up():
        pass
    with django_assert_num_queries(few):
        client.get(address)
    for row in rows[::9]:
        row.cancel(ada)
    # Changed days are counted in one more query.
    with django_assert_num_queries(few + 1):
        client.get(address)
