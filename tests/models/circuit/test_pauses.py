"""Pauses after ambiguous answers, and the probe that ends them."""

import threading
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from videos import tasks
from videos.jobs.sweep import wake
from videos.jobs.token_check import check_token
from videos.jobs.token_probe import probe_tokens
from videos.models import ApiToken, Generation, Health, Pool

from ...support.circuit import ABSENT, BROKEN, allowed, end_pause, in_thread, now_of, pause_of, posts_of
from ...support.factories import a_generation, a_token

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "answer", [(502, {}), (500, {"error": {"code": "api_error"}}), (200, {}), (302, {}), (408, {}), (409, {}), None]
)
def test_two_ambiguous_answers_in_a_row_pause_the_token(stub, token, answer):
    if answer is None:
        stub.cut = True
    else:
        stub.answer = lambda path, body: answer
    for _ in range(12):
        a_generation()
    tasks.drain()
    assert Generation.objects.filter(state="unconfirmed").count() == 2
    assert Generation.objects.filter(state="queued").count() == 10
    assert now_of(token).health == Health.LIMITED
    assert 10 < pause_of(token) <= 15
    assert Pool.current().wait.text.startswith("sending is paused until ")


def test_after_one_ambiguous_answer_requests_are_sent_one_at_a_time(token):
    ApiToken.objects.update(clear_at=timezone.now(), ramp=64)
    token.record_ambiguous_answer("cut")
    assert allowed(token) == 1
    token.record_clear_answer(accepted=False)
    assert allowed(token) == 128


def test_an_outage_leaves_at_most_three_videos_unconfirmed(stub, token):
    stub.cut = True
    for _ in range(12):
        a_generation()
    ApiToken.objects.update(clear_at=timezone.now() - timedelta(seconds=5), ramp=64)
    tasks.drain()
    in_doubt = Generation.objects.filter(state="unconfirmed").count()
    assert in_doubt in (2, 3)
    assert Generation.objects.filter(state="queued").count() == 12 - in_doubt


def test_a_clear_answer_resets_the_count_of_ambiguous_ones(stub, token):
    answers = [BROKEN, (200, {"task_id": "t1"}), BROKEN, (200, {"task_id": "t2"})]
    stub.answer = lambda path, body: answers.pop(0)
    for _ in range(4):
        a_generation()
        tasks.drain()
    assert not answers
    assert (now_of(token).health, now_of(token).doubts) == (Health.OK, 0)


def test_a_pause_ends_with_a_look_up_then_one_request_then_all(stub, token):
    stub.answer = lambda path, body: BROKEN
    for number in range(12):
        a_generation(prompt=f"number {number}")
    tasks.drain()
    end_pause(token)
    tasks.drain()
    assert len(posts_of(stub)) == 2, "no request before the look-up"
    assert Pool.current().wait.key == "probe"

    probe_tokens()
    assert stub.posts[-1]["action"] == "retrieve"
    assert 20 < pause_of(token) <= 30, "twice as long"
    tasks.drain()
    assert len(posts_of(stub)) == 2

    stub.answer = lambda path, body: ABSENT if path == "/luma/tasks" else BROKEN
    end_pause(token)
    wake()
    tasks.drain()
    assert len(posts_of(stub)) == 3, "one request, which is in doubt: paused again"
    assert pause_of(token) > 40

    stub.answer = lambda path, body: ABSENT if path == "/luma/tasks" else (200, {"task_id": body["prompt"]})
    end_pause(token)
    wake()
    assert allowed(token) == 1
    tasks.drain()
    states = [Generation.objects.filter(state=state).count() for state in ("unconfirmed", "processing", "queued")]
    assert states == [3, 9, 0]
    assert (now_of(token).health, now_of(token).pauses, now_of(token).probe) == (Health.OK, 0, "")


def test_pauses_double_up_to_an_hour(token):
    lasted = []
    for _ in range(12):
        token.record_ambiguous_answer("cut", at_once=True)
        lasted.append(pause_of(token))
        end_pause(token)
    assert all(later > 1.5 * earlier for earlier, later in pairwise(lasted[:7]))
    assert 2800 < lasted[-1] <= 3600


def test_ambiguous_answers_of_one_burst_count_as_one_pause(token):
    threads = [threading.Thread(target=in_thread(lambda: token.record_ambiguous_answer("cut"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (now_of(token).doubts, now_of(token).pauses) == (8, 1)


@pytest.mark.parametrize(("header", "low", "high"), [("40", 35, 40), ("86400", 3500, 3600), (None, 10, 15)])
def test_a_503_pauses_at_once_for_as_long_as_the_provider_says(stub, token, header, low, high):
    stub.headers = {"Retry-After": header} if header else {}
    stub.answer = lambda path, body: (503, {})
    generation = a_generation()
    tasks.drain()
    generation.refresh_from_db()
    assert generation.state == "unconfirmed"
    assert low < pause_of(token) <= high


def test_only_one_process_probes(token):
    token.record_ambiguous_answer("cut", at_once=True)
    end_pause(token)
    assert [now_of(token).begin_probe(20) for _ in range(3)] == [True, False, False]


def test_a_token_that_the_probe_finds_refused_is_disabled(stub, token):
    token.record_ambiguous_answer("cut", at_once=True)
    end_pause(token)
    stub.answer = lambda path, body: (401, {"error": {"code": "invalid_token", "message": "no"}})
    probe_tokens()
    assert now_of(token).health == Health.INVALID


def test_a_hanging_probe_delays_the_ticker_for_seconds_only(stub, token, monkeypatch):
    monkeypatch.setattr("videos.jobs.token_probe.PROBE_SECONDS", 0.3)
    stub.seconds = 5
    for other in (token, a_token("second", base_url=stub.url)):
        other.record_ambiguous_answer("cut", at_once=True)
        end_pause(other)
    began = time.monotonic()
    probe_tokens()
    assert time.monotonic() - began < 3
    assert all(pause_of(other) > 20 for other in ApiToken.objects.all())


def test_an_admin_s_token_check_replaces_the_probe(stub, token):
    token.record_ambiguous_answer("cut", at_once=True)
    stub.answer = lambda path, body: ABSENT
    assert "the next video is sent with it" in check_token(token).message
    assert allowed(token) == 1


def test_a_clock_that_was_ahead_does_not_pause_a_token_for_days(token):
    token.record_ambiguous_answer("cut", at_once=True)
    ApiToken.objects.update(limited_until=timezone.now() + timedelta(days=2), probe="request")
    assert ApiToken.objects.with_room().exists()
    assert Pool.current().wait is None
