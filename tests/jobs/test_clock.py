"""Clock jumps of hours neither fail running tasks nor stop look-ups."""

from datetime import timedelta

import pytest
from django.utils import timezone

from videos.jobs import polling, sweep
from videos.jobs.age_tracker import AgeTracker
from videos.models import Generation, Lease
from videos.models.state import LOOKED_UP_AT_LEAST

from ..support.factories import a_generation, running
from ..support.stub_provider import StubProvider

pytestmark = pytest.mark.django_db(transaction=True)

JUMPS = [timedelta(hours=hours) for hours in (-30, -3, 3, 30)]


@pytest.fixture
def clock(monkeypatch):
    """Return the wall clock, which a test sets, and the monotonic clock."""

    class Clock:
        ahead = timedelta(0)
        ticked = 0.0

        def set(self, by: timedelta) -> None:
            self.ahead += by

        def passes(self, seconds: float) -> None:
            self.ahead += timedelta(seconds=seconds)
            self.ticked += seconds

    clock, in_earnest = Clock(), timezone.now
    monkeypatch.setattr(timezone, "now", lambda: in_earnest() + clock.ahead)
    return clock


@pytest.fixture
def watch(clock):
    return AgeTracker(lambda: clock.ticked)


@pytest.fixture
def stub():
    provider = StubProvider()
    provider.answer = lambda path, body: (200, {"items": [{"id": "task-1", "response": {}}], "count": 1})
    yield provider
    provider.shutdown()
    provider.server_close()


def claimed() -> Generation:
    generation = a_generation()
    assert generation.claim()
    return generation


def state() -> str:
    return Generation.objects.get().state


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_clock_jump_does_not_fail_a_running_task(stub, token, clock, watch, jump):
    claimed().record(running("task-1"), "answer")
    sweep.sweep(watch)
    clock.set(jump)
    for _ in range(3):
        clock.passes(90)
        sweep.sweep(watch)
        assert polling.poll() == 1
        assert state() == "processing"
    stub.answer = lambda path, body: (
        200,
        {"items": [{"id": "task-1", "response": {"video_url": "https://cdn.example.com/v.mp4"}}], "count": 1},
    )
    clock.passes(90)
    polling.poll()
    assert state() == "completed"


def test_a_task_that_runs_too_long_still_fails(stub, token, clock, watch):
    claimed().record(running("task-1"), "answer")
    for _ in range(LOOKED_UP_AT_LEAST):
        clock.passes(90)
        polling.poll()
    assert state() == "processing", f"{LOOKED_UP_AT_LEAST * 90} s are within its patience and what a look-up may take"
    clock.passes(300)
    polling.poll()
    assert state() == "failed"


def test_a_day_without_the_provider_fails_a_task_only_after_the_ticker_observed_it_long_enough(token, clock, watch):
    claimed().record(running("task-1"), "answer")
    clock.set(timedelta(hours=30))
    sweep.sweep(watch)
    clock.passes(1700)
    sweep.sweep(watch)
    assert state() == "processing"
    clock.passes(200)
    sweep.sweep(watch)
    assert state() == "failed"
    assert Generation.objects.get().next_poll_at is not None, "it is looked up all the same"


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_running_post_becomes_unconfirmed_by_the_ticker_s_own_time_only(token, clock, watch, jump):
    claimed()
    sweep.sweep(watch)
    clock.set(jump)
    clock.passes(15)
    sweep.sweep(watch)
    assert state() == "submitting"
    clock.passes(60)
    sweep.sweep(watch)
    assert state() == "unconfirmed"


def test_a_second_claim_has_its_full_time(token, clock, watch):
    generation = claimed()
    sweep.sweep(watch)
    clock.passes(50)
    Generation.objects.update(state="queued")
    Generation.objects.get().claim()
    sweep.sweep(watch)
    clock.passes(50)
    sweep.sweep(watch)
    generation.refresh_from_db()
    assert generation.state == "submitting"


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_queued_rows_can_be_claimed_after_a_clock_jump(token, clock, jump):
    generation = a_generation()
    clock.set(jump)
    assert [row.pk for row in Generation.objects.next_to_submit(5)] == [generation.pk]
    assert generation.claim()


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_the_ticker_s_lease_does_not_outlive_its_holder_after_a_clock_jump(transactional_db, clock, monkeypatch, jump):
    # The clock of the database, which the test cannot set.
    monkeypatch.setattr("videos.models.lease.database_now", timezone.now)
    assert Lease.objects.acquire("ticker", "dead", 20)
    assert not Lease.objects.acquire("ticker", "next", 20)
    clock.set(jump)
    clock.passes(21)
    assert Lease.objects.acquire("ticker", "next", 20)
    assert not Lease.objects.acquire("ticker", "third", 20)


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_an_unsaved_video_is_saved_after_a_clock_jump(token, clock, jump):
    generation = claimed()
    Generation.objects.filter(pk=generation.pk).update(state="completed", archive="remote", archive_at=timezone.now())
    clock.set(jump)
    clock.passes(8 * 3600)
    assert Generation.objects.worth_saving().exists()
