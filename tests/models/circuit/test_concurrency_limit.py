"""The number of concurrent videos that 429 answers lower."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from videos import tasks
from videos.models import ApiToken, Generation, Pool
from videos.models.circuit import clock_time
from videos.provider import Sent

from ...support.circuit import BUSY, now_of, pause_of
from ...support.factories import a_generation, an_error

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_new_token_runs_five_videos_at_once(db):
    assert ApiToken(name="new").max_in_flight == 5


def test_a_429_lowers_the_limit_to_what_the_provider_accepts(stub, token):
    ApiToken.objects.update(clear_at=timezone.now(), ramp=100)
    running_now = set()

    def five_at_once(path, body):
        with stub.lock:
            if len(running_now) >= 5:
                return BUSY
            running_now.add(body["prompt"])
        return 200, {"task_id": body["prompt"]}

    stub.seconds = 0.3
    stub.answer = five_at_once
    for number in range(12):
        a_generation(prompt=f"number {number}")
    ApiToken.objects.update(clear_at=timezone.now())
    tasks.drain()
    assert Generation.objects.filter(state="processing").count() == 5
    assert Generation.objects.filter(state="queued").count() == 7
    assert 1 <= now_of(token).effective_limit <= 6
    assert now_of(token).limit == now_of(token).effective_limit


@pytest.mark.parametrize(("refused", "limit"), [(7, 5), (1, 11), (12, 1)])
def test_each_429_sets_the_limit_to_one_below_the_running_requests(token, refused, limit):
    rows = [a_generation(prompt=str(number)) for number in range(12)]
    for row in rows:
        ApiToken.objects.update(clear_at=timezone.now(), ramp=100)
        assert row.claim()
    for row in rows[:refused]:
        row.refuse(an_error("busy", Sent.REFUSED, status=429))
    assert now_of(token).effective_limit == limit
    assert now_of(token).in_flight == 12 - refused


def test_a_429_without_other_running_requests_lowers_nothing(token):
    generation = a_generation()
    generation.claim()
    generation.refuse(an_error("rate_limited", Sent.REFUSED, status=429))
    assert now_of(token).effective_limit is None


def test_a_lowered_limit_is_enforced(token):
    ApiToken.objects.update(max_in_flight=4, effective_limit=2, limit_changed_at=timezone.now())
    ApiToken.objects.update(in_flight=2)
    assert not ApiToken.objects.with_room().exists()
    assert Pool.current().wait.key == "busy"


@pytest.mark.parametrize(
    ("limit", "most", "steps"),
    [(1, 5, [2, 3, 4, None]), (2, 4, [3, None]), (4, 5, [None]), (8, 100, [12, 18, 27, 40, 60, 90, None])],
)
def test_a_lowered_limit_grows_by_half_every_fifteen_seconds_while_requests_are_accepted(token, limit, most, steps):
    ApiToken.objects.update(max_in_flight=most, effective_limit=limit, limit_changed_at=timezone.now())
    grown = []
    for _ in steps:
        now_of(token).record_clear_answer(accepted=True)
        assert now_of(token).effective_limit == limit, "not yet"
        ApiToken.objects.update(limit_changed_at=timezone.now() - timedelta(seconds=16))
        now_of(token).record_clear_answer(accepted=False)
        assert now_of(token).effective_limit == limit, "not by a refusal"
        now_of(token).record_clear_answer(accepted=True)
        grown.append(limit := now_of(token).effective_limit)
    assert grown == steps


@pytest.mark.parametrize(("header", "low", "high"), [("40", 35, 40), ("86400", 3500, 3600), ("0", -5, 1)])
def test_a_429_pauses_for_as_long_as_the_provider_says_but_an_hour_at_most(stub, token, header, low, high):
    stub.headers = {"Retry-After": header}
    stub.answer = lambda path, body: BUSY
    if header == "0":  # a drain would go on at once
        generation = a_generation()
        generation.claim()
        generation.refuse(an_error("busy", Sent.REFUSED, status=429, retry_after=0.0))
    else:
        a_generation()
        tasks.drain()
    assert low < pause_of(token) <= high
    assert now_of(token).probe == "request"


def test_the_end_of_a_pause_on_another_day_is_shown_with_its_date():
    now = timezone.make_aware(datetime(2026, 11, 27, 23, 40))
    assert clock_time(now + timedelta(minutes=10), now) == "23:50"
    assert clock_time(now + timedelta(minutes=50), now) == "Sat 28 Nov, 00:30"
    assert clock_time(now + timedelta(seconds=30), now) == "23:40:30"
