"""The ticker runs its steps every few seconds, whatever fails."""

import threading
import time
from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from lumaweb.ops.doctor import background
from videos import tasks
from videos.jobs import polling, queue, reconcile, sweep
from videos.jobs import ticker as ticker_module
from videos.jobs.broker_errors import PROBLEMS, BrokerUnavailable
from videos.jobs.ticker import Ticker
from videos.models import ApiToken, Generation, Heartbeat, Lease, StepFailure
from videos.reports import rollup_pass

from ..support.database_outages import locked
from ..support.factories import a_generation

pytestmark = pytest.mark.django_db(transaction=True)

# What runs each step of one round, by its name.
CODE = {
    "look-ups": (polling, "poll"),
    "signs of life": (queue, "enqueue_heartbeats"),
    "interrupted requests": (sweep, "mark_interrupted"),
    "hopeless tasks": (sweep, "give_up_overdue"),
    "savings": (sweep, "enqueue_saves"),
    "trash": (sweep, "empty_trash"),
    "frames": (sweep, "delete_unused_frames"),
    "orphaned files": (sweep, "remove_orphaned_files"),
    "heartbeats": (type(Heartbeat.objects.all()), "delete_stale"),
    "expired sessions": (SessionStore, "clear_expired"),
    "token counts": (type(ApiToken.objects.all()), "recount_sending"),
    "wake-ups": (sweep, "wake"),
    "usage": (rollup_pass, "roll_up"),
    "searches": (reconcile, "reconcile"),
}


@pytest.fixture
def steps(monkeypatch):
    """Record the names of the steps in the order of their runs."""
    taken = []
    for name, (place, function) in CODE.items():
        monkeypatch.setattr(place, function, lambda *args, name=name, **options: taken.append(name))
        # A manager copies the methods of its queryset.
        for model in (Heartbeat, ApiToken):
            if place is type(model.objects.all()):
                monkeypatch.setattr(
                    type(model.objects), function, lambda *args, name=name, **options: taken.append(name)
                )
    return taken


@pytest.fixture
def broken(monkeypatch):
    """Make a step fail with an error that contains a secret."""

    def broken(name: str, error: Exception | None = None) -> None:
        def fail(*args, **options):
            raise error or ValueError("a fault of ours, with a secret in it")

        place, function = CODE[name]
        for model in (Heartbeat, ApiToken):
            place = type(model.objects) if place is type(model.objects.all()) else place
        monkeypatch.setattr(place, function, fail)

    return broken


def rounds(ticker: Ticker, count: int = 1) -> None:
    for _ in range(count):
        ticker._swept = -ticker_module.SWEEP_EVERY - time.monotonic()
        ticker.tick()


def test_results_come_first(steps):
    Ticker().tick()
    assert steps == list(CODE)


@pytest.mark.parametrize("name", CODE)
def test_a_failing_step_is_logged_once_shown_and_stops_no_other(steps, broken, client, caplog, name):
    for cluster in ("lumaweb", "media"):
        tasks.beat(cluster)
    broken(name)
    ticker = Ticker()
    rounds(ticker, 3)
    assert steps == [step for step in CODE if step != name] * 3
    logged = [record for record in caplog.records if record.exc_info and f"step {name} " in record.getMessage()]
    assert len(logged) == 1 and "a fault of ours" in caplog.text
    answer = client.get("/readyz")
    assert answer.status_code == 200 and answer.json()["ok"], "no reason to take a web server out"
    assert answer.json()["warnings"][name].endswith("UTC: ValueError.")
    assert "secret" not in answer.content.decode()
    assert any(finding.level == "warn" and f"“{name}” fails" in finding.message for finding in background.ticker())


def test_a_round_deletes_expired_sessions_only():
    for key, days in (("expired", -1), ("current", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=timezone.now() + timedelta(days=days))
    rounds(Ticker())
    assert Session.objects.get().session_key == "current"


def test_a_recovered_step_is_no_longer_shown(steps, broken, client, monkeypatch):
    with monkeypatch.context():
        broken("usage")
        ticker = Ticker()
        rounds(ticker, 2)
        since = StepFailure.objects.get().since
        assert StepFailure.objects.get().at > since, "the first failure counts"
    monkeypatch.setattr(rollup_pass, "roll_up", lambda: None)
    rounds(ticker)
    assert not StepFailure.objects.exists()
    assert "warnings" not in client.get("/readyz").json()


def test_a_restarted_ticker_clears_failures_of_steps_that_work(steps):
    StepFailure.objects.note("usage", ValueError())
    rounds(Ticker())
    assert not StepFailure.objects.exists()


def test_a_stale_failure_is_not_shown(db):
    StepFailure.objects.note("a step of an older version", ValueError())
    assert StepFailure.objects.current().exists()
    StepFailure.objects.update(at=timezone.now() - timezone.timedelta(minutes=6))
    assert not StepFailure.objects.current().exists()


def test_another_error_of_the_same_step_is_logged(steps, broken, caplog):
    ticker = Ticker()
    for error in (ValueError("one"), KeyError("two")):
        broken("trash", error)
        rounds(ticker, 2)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError, KeyError]


def test_the_ticker_survives_a_full_disk(steps, broken):
    broken("trash", OSError(28, "No space left on device"))
    rounds(Ticker())
    assert steps == [step for step in CODE if step != "trash"]


def test_one_row_that_fails_does_not_delay_others(monkeypatch):
    rows = [a_generation(prompt=f"number {number}") for number in range(3)]
    Generation.objects.update(trashed_at=timezone.now() - timezone.timedelta(days=400), state="canceled")
    purge = Generation.purge

    def fail_once(generation):
        if generation.pk == rows[1].pk:
            raise ValueError("a fault of ours")
        return purge(generation)

    monkeypatch.setattr(Generation, "purge", fail_once)
    with pytest.raises(ExceptionGroup):
        sweep.empty_trash()
    assert list(Generation.objects.filter(purged_at=None)) == [rows[1]]


def test_an_unreachable_broker_is_logged_once_by_each_step(monkeypatch, caplog):
    def away(*args, **options):
        raise ConnectionError("no broker")

    monkeypatch.setattr(queue, "async_task", away)
    monkeypatch.setattr(queue, "get_broker", away)
    rounds(Ticker(), 3)
    assert len([record for record in caplog.records if record.exc_info]) == 2
    assert set(StepFailure.objects.values_list("name", flat=True)) == {"signs of life", "savings"}


def test_the_sweep_command_runs_all_steps_and_names_those_that_failed(steps, broken):
    broken("savings")
    with pytest.raises(CommandError, match=r"failed; the log says why: savings\."):
        call_command("sweep", "--once")
    assert steps == [step for step in CODE if step != "savings"]


def test_the_lease_is_renewed_between_long_steps_and_losing_it_ends_the_round(steps, monkeypatch):
    ticker = Ticker()
    monkeypatch.setattr(ticker_module, "RENEW_EVERY", 0.0)
    monkeypatch.setattr(sweep, "enqueue_saves", lambda: Lease.objects.update(holder="another"))
    ticker.tick()
    assert steps == list(CODE)[: list(CODE).index("savings")], "another ticker goes on from there"
    assert Lease.objects.get().holder == "another"


def test_a_failing_step_of_the_sweep_does_not_skip_others(monkeypatch):
    def fail() -> None:
        raise ValueError("a fault of ours")

    rolled_up = []
    monkeypatch.setattr(sweep, "enqueue_saves", fail)
    monkeypatch.setattr(rollup_pass, "roll_up", lambda: rolled_up.append(1))
    with pytest.raises(ExceptionGroup) as raised:
        sweep.sweep()
    assert raised.group_contains(ValueError, match="a fault of ours")
    assert rolled_up == [1]


@pytest.mark.embedded
def test_the_ticker_survives_a_locked_database(steps, monkeypatch, caplog):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
    connection.close()
    ticker = Ticker()
    with locked():
        ticker.tick()
        ticker.stop()
    assert "the ticker waits for the database: another process has kept the database locked" in caplog.text
    assert steps == []
    ticker.tick()
    assert steps[0] == "look-ups"
    connection.close()


class SlowStep:
    """A step of the settings that notes, as it is stopped, whether a drain still runs."""

    drains_at_stop: list[bool] = []

    def run(self) -> None: ...

    def stop(self) -> None:
        self.drains_at_stop.append(any(thread.name == "drain" for thread in threading.enumerate()))


def test_the_answers_of_paid_requests_come_before_the_end_of_added_steps(settings, monkeypatch, stub, token):
    settings.TICKER_STEPS = {"slow": f"{__name__}.SlowStep"}
    monkeypatch.setattr(SlowStep, "drains_at_stop", [])

    def refuse(**options):
        raise BrokerUnavailable(PROBLEMS[0])

    monkeypatch.setattr(sweep, "enqueue_drain", refuse)
    stub.seconds = 1
    row = a_generation()
    ticker = Ticker()
    ticker.tick()
    ticker.stop()
    assert SlowStep.drains_at_stop == [False]
    row.refresh_from_db()
    assert row.state == "processing" and len(stub.posts) == 1
