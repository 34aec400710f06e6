"""The counts of a token under concurrent drains."""

import threading

import pytest
from django.utils import timezone

from videos import tasks
from videos.models import ApiToken, Generation

from ...support.circuit import BROKEN, BUSY, UNEXPLAINED, in_thread, now_of
from ...support.factories import a_generation, a_token, running

pytestmark = pytest.mark.django_db(transaction=True)


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
