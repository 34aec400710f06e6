"""Slow start: few requests until answers are clear."""

import threading
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from videos import tasks
from videos.models import ApiToken, Generation, Pool

from ...support.circuit import allowed, now_of, posts_of
from ...support.factories import a_generation, a_result, running

pytestmark = pytest.mark.django_db(transaction=True)


def test_slow_start_sends_two_requests_and_doubles_with_each_clear_answer(token):
    assert allowed(token) == 2
    seen = []
    for _ in range(4):
        token.record_clear_answer(accepted=True)
        seen.append(allowed(token))
    assert seen == [4, 8, 16, 32]


@pytest.mark.parametrize(("seconds", "at_once"), [(0, 64), (3, 3), (59, 3), (61, 2), (-3600, 2)])
def test_an_older_answer_allows_fewer_requests(token, seconds, at_once):
    ApiToken.objects.update(clear_at=timezone.now() - timedelta(seconds=seconds), ramp=64)
    assert allowed(token) == at_once


def test_slow_start_begins_again_after_a_minute_without_an_answer(token):
    ApiToken.objects.update(clear_at=timezone.now() - timedelta(seconds=61), ramp=512)
    token.record_clear_answer(accepted=True)
    assert allowed(token) == 4


def test_a_cold_token_has_two_posts_under_way_until_the_first_is_answered(stub, token):
    first = threading.Event()
    waiting = []

    def answer(path, body):
        with stub.lock:
            waiting.append(body["prompt"])
        if len(waiting) <= 2:
            first.wait(20)
        return 200, {"task_id": body["prompt"]}

    stub.answer = answer
    for number in range(12):
        a_generation(prompt=f"number {number}")
    drains = [threading.Thread(target=tasks.drain) for _ in range(3)]
    for drain in drains:
        drain.start()
    while len(waiting) < 2:
        time.sleep(0.05)
    time.sleep(1)
    assert len(posts_of(stub)) == 2
    first.set()
    for drain in drains:
        drain.join()
    assert set(Generation.objects.values_list("state", flat=True)) == {"processing"}
    assert len(posts_of(stub)) == 12


def test_posts_of_a_dead_worker_delay_others_for_seconds_only(stub, token):
    for _ in range(2):
        a_generation().claim()
    waiting = a_generation()
    assert not waiting.claim()
    long_ago = timezone.now() - timedelta(seconds=13)
    ApiToken.objects.update(last_used_at=long_ago)
    assert Pool.current().wait is None
    assert waiting.claim()
    assert not a_generation().claim(), "one, not all"
    ApiToken.objects.update(last_used_at=long_ago, doubts=1)
    assert not a_generation().claim(), "nothing is put at risk while there is doubt"
    assert Pool.current().wait.key == "busy"


def test_an_answer_after_its_callback_is_a_clear_answer(stub, token):
    generation = a_generation()
    generation.claim()
    generation.record(a_result("t"), "callback")
    assert now_of(token).clear_at is None
    generation.record(running("t"), "answer")
    assert allowed(token) == 4


def test_an_unambiguous_refusal_is_a_clear_answer(stub, token):
    stub.answer = lambda path, body: (400, {"error": {"code": "bad_request", "message": "no"}})
    a_generation()
    tasks.drain()
    assert allowed(token) == 4
