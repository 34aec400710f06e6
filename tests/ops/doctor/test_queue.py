"""The doctor on the queue, the workers and the ticker."""

from datetime import timedelta

import pytest
from django.utils import timezone

from lumaweb.ops.doctor import background
from videos.models import Generation, Lease

from ...support.doctor import said_by
from ...support.factories import a_generation, a_token

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_long_queue_is_reported():
    assert "waiting calls: " in said_by(background.queue) and said_by(background.queue).startswith("ok: ")


def test_missing_workers_are_reported():
    said = said_by(background.workers, 0.3)
    assert "fail: The worker did not answer within 0 s; it never has. No new video is sent until it does." in said
    assert "fail: The media worker did not answer within 0 s" in said and "manage.py serve --only worker" in said


def test_a_missing_ticker_is_reported():
    assert "fail: No ticker runs" in said_by(background.ticker)
    Lease.objects.acquire("ticker", "here", 60)
    assert said_by(background.ticker) == "ok: The ticker runs."
    Lease.objects.acquire("ticker", "here", -1)
    assert "fail: No ticker runs" in said_by(background.ticker)


def test_videos_that_wait_too_long_are_reported_with_the_reason():
    assert said_by(background.waiting) == "ok: Waiting to be sent: 0. Waiting to be saved: 0."
    token = a_token()
    for _ in range(3):
        a_generation()
    Generation.objects.update(created_at=timezone.now() - timedelta(hours=3))
    token.disable("used_up", "spent")
    done, held, _ = Generation.objects.order_by("pk")
    Generation.objects.filter(pk=held.pk).update(held_at=timezone.now())
    Generation.objects.filter(pk=done.pk).update(
        state="completed", archive="remote", finished_at=timezone.now() - timedelta(minutes=30)
    )
    said = said_by(background.waiting)
    assert (
        "warn: 1 videos wait to be sent, the first for 3.0 hours, as the balance of every API token is used up." in said
    )
    assert "warn: 1 videos have been held since a restore" in said
    assert "warn: 1 finished videos are not saved yet, the first for 30 minutes." in said
