"""The ticker: what it does every few seconds, whatever one step of it meets."""

import pytest
from django.db import connection

from videos.jobs import polling, queue, reconcile, sweep
from videos.management.commands.sweep import Ticker
from videos.models import usage

from .outages import locked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def steps(monkeypatch):
    """The names of the steps that were taken, in their order."""
    taken = []
    for name, module in (("ask", polling), ("beat_later", queue), ("sweep", sweep), ("reconcile", reconcile)):
        monkeypatch.setattr(module, name, lambda *args, name=name: taken.append(name))
    return taken


def test_results_come_first(steps):
    Ticker().tick()
    assert steps == ["ask", "beat_later", "sweep", "reconcile"]


@pytest.mark.parametrize("broken", ["ask", "sweep", "reconcile"])
def test_a_step_that_fails_keeps_no_other_from_being_taken(steps, monkeypatch, caplog, broken):
    def fail(*args):
        steps.append("failed")
        raise ValueError("a fault of ours")

    monkeypatch.setattr({"ask": polling, "sweep": sweep, "reconcile": reconcile}[broken], broken, fail)
    ticker = Ticker()
    ticker.tick()
    expected = ["failed" if step == broken else step for step in ("ask", "beat_later", "sweep", "reconcile")]
    assert steps == expected
    assert "a fault of ours" in caplog.text


def test_a_step_of_the_sweep_that_fails_keeps_no_other_from_being_taken(monkeypatch):
    def fail() -> None:
        raise ValueError("a fault of ours")

    rolled_up = []
    monkeypatch.setattr(sweep, "ask_to_save", fail)
    monkeypatch.setattr(usage, "roll_up", lambda: rolled_up.append(1))
    with pytest.raises(ExceptionGroup) as raised:
        sweep.sweep()
    assert raised.group_contains(ValueError, match="a fault of ours")
    assert rolled_up == [1]


@pytest.mark.embedded
def test_a_locked_database_ends_no_ticker(steps, monkeypatch, caplog):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
    connection.close()
    ticker = Ticker()
    with locked():
        ticker.tick()
        ticker.stop()
    assert "the ticker waits for the database: another process has kept the database locked" in caplog.text
    assert steps == []
    ticker.tick()
    assert steps[0] == "ask"
    connection.close()
