"""Circuit breaker of a token: slow start, pauses with probes, an adaptive limit and exact counts."""

import threading
import time
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.utils import timezone

from videos import tasks
from videos.jobs.sweep import wake
from videos.jobs.token_check import check_token
from videos.jobs.token_probe import probe_tokens
from videos.models import ApiToken, Generation, Health, Pool
from videos.models.circuit import clock_time
from videos.provider import Sent

from ..support.factories import a_generation, a_result, a_token, an_error, running
from ..support.stub_provider import StubProvider

pytestmark = pytest.mark.django_db(transaction=True)

BUSY = (429, {"error": {"code": "too_many_requests", "message": "5 tasks are in progress"}})
UNEXPLAINED = (403, {"error": {"code": "account_review", "message": "under review"}})
BROKEN = (502, {})
ABSENT = (404, {"error": {"code": "task_not_found", "message": "no such task"}})


@pytest.fixture
def token(stub):
    return a_token(base_url=stub.url, clear_at=None, ramp=2)


def now_of(token: ApiToken) -> ApiToken:
    return ApiToken.objects.get(pk=token.pk)


def allowed(token: ApiToken) -> int:
    """Return how many POSTs may run, on which token and database agree."""
    token, now = now_of(token), timezone.now()
    at_once = token.posts_at_once(now)
    ApiToken.objects.filter(pk=token.pk).update(sending=at_once)
    assert not ApiToken.objects.with_room(now).exists()
    ApiToken.objects.filter(pk=token.pk).update(sending=at_once - 1)
    assert ApiToken.objects.with_room(now).exists()
    ApiToken.objects.filter(pk=token.pk).update(sending=0)
    return at_once


def end_pause(token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk).update(limited_until=timezone.now() - timedelta(seconds=1))


def posts_of(stub: StubProvider) -> list[dict]:
    return [post for post in stub.posts if "prompt" in post]


def pause_of(token: ApiToken) -> float:
    """Return the remaining seconds of the token's pause."""
    return (now_of(token).limited_until - timezone.now()).total_seconds()


# ── Slow start ────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── Doubt ─────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── The limit in flight ───────────────────────────────────────────────────────────────────────────────────────


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


# ── Refusals without a reason ─────────────────────────────────────────────────────────────────────────────────


def test_an_unknown_403_fails_the_row_and_leaves_the_token_alone_until_the_third(stub, token):
    stub.answer = lambda path, body: UNEXPLAINED
    for number in range(3):
        assert now_of(token).health == Health.OK, number
        generation = a_generation(prompt=str(number))
        tasks.drain()
        generation.refresh_from_db()
        assert (generation.state, generation.error_code) == ("failed", "account_review")
        assert "Nothing was charged." in generation.explanation.text
        assert "admin" in generation.explanation.for_members
    waiting = a_generation()
    tasks.drain()
    waiting.refresh_from_db()
    assert waiting.state == "queued"
    assert pause_of(token) > 200
    assert "without a known reason" in Pool.current().trouble
    stub.answer = lambda path, body: (200, {"task_id": "t"})
    end_pause(token)
    tasks.drain()
    assert now_of(token).health == Health.OK
    assert Pool.current().trouble == ""


def test_three_refusals_of_one_row_or_with_others_between_pause_nothing(token):
    for row in (1, 1, 1, 2):
        token.record_unexplained_refusal(row, "no")
    assert now_of(token).health == Health.OK
    token.record_clear_answer(accepted=False)
    token.record_unexplained_refusal(3, "no")
    assert (now_of(token).health, now_of(token).refusals) == (Health.OK, 1)


# ── What is sent back on the way ──────────────────────────────────────────────────────────────────────────────


def test_a_row_that_is_refused_while_others_pass_fails_with_a_message(stub, token):
    blocked = a_generation(prompt="blocked")
    others = []

    def firewall(path, body):
        return (403, None) if body["prompt"] == "blocked" else (200, {"task_id": body["prompt"]})

    stub.answer = firewall
    tasks.drain()
    blocked.refresh_from_db()
    assert (blocked.state, blocked.error_code) == ("queued", "http_403")
    assert now_of(token).health == Health.LIMITED
    for number in range(2):
        others.append(a_generation(prompt=f"number {number}"))
    end_pause(token)
    tasks.drain()
    assert Generation.objects.filter(state="processing").count() == 2, "others go first"
    Generation.objects.filter(pk=blocked.pk).update(not_before=timezone.now())
    tasks.drain()
    blocked.refresh_from_db()
    assert (blocked.state, blocked.error_code) == ("failed", "sent_back")
    assert "Nothing was charged." in blocked.explanation.text
    assert len([post for post in stub.posts if post["prompt"] == "blocked"]) == 2


def test_a_row_is_tried_with_each_token_before_it_fails_as_blocked(stub, token):
    second = a_token("second", base_url=stub.url, priority=99)
    stub.answer = lambda path, body: (404, None)
    generation = a_generation()
    tasks.drain()
    generation.refresh_from_db()
    assert generation.state == "queued"
    assert set(generation.gateway_rejections.values_list("token_id", flat=True)) == {token.pk, second.pk}
    ApiToken.objects.filter(pk=second.pk).update(accepted_at=timezone.now())
    for _ in range(2):
        ApiToken.objects.update(limited_until=timezone.now())
        Generation.objects.update(not_before=timezone.now())
        tasks.drain()
    generation.refresh_from_db()
    assert (generation.state, generation.error_code) == ("failed", "sent_back")


def test_a_wrong_base_url_fails_no_row(stub, token):
    stub.answer = lambda path, body: (404, {"error": {"code": "no_api", "message": "no such API"}})
    for number in range(6):
        a_generation(prompt=str(number))
    for _ in range(5):
        tasks.drain()
        ApiToken.objects.update(limited_until=timezone.now())
        Generation.objects.update(not_before=timezone.now())
    assert set(Generation.objects.values_list("state", flat=True)) == {"queued"}
    assert "address" in now_of(token).last_error


# ── Counts ────────────────────────────────────────────────────────────────────────────────────────────────────


def in_thread(function):
    def run():
        try:
            function()
        finally:
            connection.close()

    return run


def test_counts_are_right_under_concurrent_drains_and_all_answers(stub):
    """No limit is exceeded at any moment, and the final counts equal the rows."""
    tokens = [a_token(f"sandbox-{number}", base_url=stub.url, max_in_flight=6, ramp=4) for number in range(2)]
    kinds = [
        (200, {"task_id": None}),
        (200, {"task_id": None}),
        (200, {"task_id": None}),
        BROKEN,
        BUSY,
        UNEXPLAINED,
        (400, {"error": {"code": "bad_request", "message": "no"}}),
        (404, None),
    ]

    def answer(path, body):
        number = int(body["prompt"])
        status, document = kinds[number % len(kinds)]
        return status, {"task_id": f"task-{number}"} if status == 200 else document

    stub.seconds = 0.05
    stub.answer = answer
    for number in range(48):
        a_generation(prompt=str(number))
    exceeded, over = [], threading.Event()

    def watch():
        while not over.is_set():
            for token in ApiToken.objects.all():
                if token.in_flight > token.max_in_flight or token.sending > token.in_flight:
                    exceeded.append((token.in_flight, token.sending))

    def drain():
        for _ in range(6):
            tasks.drain()
            ApiToken.objects.filter(health="limited").update(limited_until=timezone.now(), probe="request")

    watcher = threading.Thread(target=in_thread(watch))
    watcher.start()
    drains = [threading.Thread(target=in_thread(drain)) for _ in range(5)]
    for thread in drains:
        thread.start()
    for thread in drains:
        thread.join()
    over.set()
    watcher.join()
    assert not exceeded
    for token in tokens:
        token = now_of(token)
        assert token.sending == 0
        assert token.in_flight == token.generations.filter(state="processing").count()
    sent = [post["prompt"] for post in stub.posts]
    doubted = Generation.objects.filter(state__in=["unconfirmed", "processing", "failed"])
    assert all(sent.count(row.prompt) == 1 for row in doubted.exclude(error_code="sent_back"))


def test_counts_left_by_an_earlier_version_are_corrected(token):
    generation = a_generation()
    generation.claim()
    ApiToken.objects.update(sending=3)
    ApiToken.objects.recount_sending()
    assert now_of(token).sending == 1
    generation.record(running(), "answer")
    assert now_of(token).sending == 0
