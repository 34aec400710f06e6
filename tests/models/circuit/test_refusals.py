"""Refusals without a known reason, and gateways that reject rows."""

import pytest
from django.utils import timezone

from videos import tasks
from videos.models import ApiToken, Generation, Health, Pool

from ...support.circuit import UNEXPLAINED, end_pause, now_of, pause_of
from ...support.factories import a_generation, a_token

pytestmark = pytest.mark.django_db(transaction=True)


# ── Refusals without a reason ────────────────────────────────────────────────────────────────────────────────────────


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


# ── What is sent back on the way ─────────────────────────────────────────────────────────────────────────────────────


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
