"""Heartbeats of several machines on one database and one queue."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone
from django_q.brokers import get_broker

from lumaweb.ops import heartbeats
from lumaweb.ops.heartbeats import EXTRA_REQUESTS, HeartbeatProbe
from videos import tasks
from videos.jobs import queue, sweep
from videos.models import Heartbeat

from ..support.database_outages import locked

pytestmark = pytest.mark.django_db


@pytest.fixture
def on(settings, tmp_path):
    """Return a function that changes this machine's name."""

    def on(name: str) -> None:
        settings.DATA_DIR = tmp_path / name

    return on


def test_each_machine_has_its_own_heartbeat(on):
    on("one")
    tasks.beat("lumaweb")
    on("two")
    assert not Heartbeat.objects.on_this_machine("lumaweb").exists()
    tasks.beat("lumaweb")
    tasks.beat("lumaweb")
    tasks.beat("media")
    assert Heartbeat.objects.of_cluster("lumaweb").count() == 2
    assert Heartbeat.objects.of_cluster("media").get() == Heartbeat.objects.on_this_machine("media").get()


def test_the_newest_stamp_of_a_cluster_comes_first(on):
    on("one")
    tasks.beat("media")
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=2))
    on("two")
    tasks.beat("media")
    assert Heartbeat.objects.of_cluster("media").first() == Heartbeat.objects.on_this_machine("media").get()


def asked() -> int:
    """Return how many requests for a heartbeat are queued."""
    return get_broker("lumaweb").queue_size()


@pytest.mark.django_db(transaction=True)
def test_a_machine_enqueues_more_requests_if_others_take_them(on):
    on("other")
    tasks.beat("lumaweb")
    on("ours")
    probe = HeartbeatProbe()
    before = asked()
    assert probe("lumaweb") is None
    assert asked() - before == 1 + EXTRA_REQUESTS
    probe("lumaweb")
    assert asked() - before == 1 + 2 * EXTRA_REQUESTS
    tasks.beat("lumaweb")
    assert probe("lumaweb")
    assert asked() - before == 1 + 2 * EXTRA_REQUESTS


@pytest.mark.django_db(transaction=True)
def test_the_queue_is_not_filled_if_no_worker_stamps_a_heartbeat(on):
    on("ours")
    probe = HeartbeatProbe()
    before = asked()
    for _ in range(5):
        probe("lumaweb")
    assert asked() - before == 1


@pytest.mark.embedded
@pytest.mark.django_db(transaction=True)
def test_a_cluster_that_waits_for_the_database_does_not_count_as_stuck(on, monkeypatch):
    monkeypatch.setattr(heartbeats, "LATE_AFTER", timedelta(0))
    monkeypatch.setattr(heartbeats, "LOCK_WAIT", 0.2)
    on("ours")
    tasks.beat("lumaweb")
    probe = HeartbeatProbe()
    stamp = probe("lumaweb")
    with locked(), pytest.raises(OperationalError):  # so the supervisor does not judge the cluster by it
        probe("lumaweb")
    assert probe("lumaweb") == stamp


@pytest.mark.django_db(transaction=True)
def test_an_unreachable_broker_is_logged_and_blocks_nothing(monkeypatch, caplog):
    def away(*_, **__):
        raise ConnectionError("nobody listens")

    monkeypatch.setattr(queue, "async_task", away)
    queue.enqueue_drain()
    assert "nobody listens" in caplog.text


def test_heartbeats_of_removed_machines_are_deleted(on):
    on("one")
    tasks.beat("lumaweb")
    Heartbeat.objects.update(at=timezone.now() - timedelta(days=2))
    on("two")
    tasks.beat("lumaweb")
    sweep.sweep()
    assert Heartbeat.objects.get() == Heartbeat.objects.on_this_machine("lumaweb").get()
