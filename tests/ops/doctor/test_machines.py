"""The doctor compares the machines of an installation: keys, versions and clocks."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone

from lumaweb.ops.doctor import clock, machines
from videos.models import Heartbeat, Lease, Machine
from videos.models.machine import fingerprint

from ...support.doctor import said_by

pytestmark = pytest.mark.django_db


def another(host: str, **facts) -> None:
    """Register another machine that differs from this one by these facts."""
    Machine.objects.register(["web", "worker"])
    row = Machine.objects.get(name__endswith="/web+worker")
    row.name, row.host = f"{host}/web", host
    for name, value in facts.items():
        setattr(row, name, value)
    row.save(force_insert=True)


def test_machines_with_the_same_keys_pass(settings):
    assert said_by(machines.machines) == "ok: There is one machine."
    another("studio-2")
    assert said_by(machines.machines) == "ok: All 2 machines have the same keys."


def test_the_machine_with_another_secret_key_is_named():
    another("studio-2")
    another("studio-3", secret_key=fingerprint("another"))
    said = said_by(machines.machines)
    assert said.startswith("fail: The secret key of studio-3 (web, worker) differs from that of ")
    assert "studio-2 (web, worker)" in said and "Set LUMAWEB_SECRET_KEY to the same value on every machine" in said


def test_a_wrong_secret_key_of_this_command_is_named(settings):
    another("studio-2")
    another("studio-3")
    settings.SECRET_KEY = "typed in a terminal without the service's environment"
    said = said_by(machines.machines)
    assert "The secret key of this command on " in said and settings.SECRET_KEY not in said


def test_a_machine_that_lacks_the_newest_encryption_key_is_named(settings):
    another("studio-2")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.ENCRYPTION_KEYS]
    said = said_by(machines.machines)
    assert "fail: " in said and "studio-2 (web, worker)" in said and "cannot decrypt an API token" in said


def test_other_versions_and_machines_that_are_gone():
    another("studio-2", version="0.0.9")
    assert "warn: studio-2 runs 0.0.9, and this is " in said_by(machines.machines)
    Machine.objects.filter(host="studio-2").update(seen_at=timezone.now() - timedelta(minutes=5))
    assert "studio-2" not in said_by(machines.machines), "it was switched off"


@pytest.mark.parametrize(("offset", "words"), [(90.0, "90 s ahead of"), (-20.0, "20 s behind")])
def test_the_clock_of_another_machine_is_reported(offset, words):
    another("studio-2", clock_offset=offset)
    said = said_by(clock.clock)
    assert f"The clock of studio-2 (web, worker) is {words} that of the database server." in said
    assert said.startswith("fail" if offset > 60 else "warn")


@pytest.mark.servers
@pytest.mark.parametrize("minutes", [-30, 30])
def test_a_machine_with_a_wrong_clock_looks_neither_dead_nor_alive(monkeypatch, minutes):
    """Only the database's clock counts, which PostgreSQL has."""
    real = timezone.now
    with monkeypatch.context() as wrong:
        wrong.setattr(timezone, "now", lambda: real() + timedelta(minutes=minutes))
        Heartbeat.stamp("lumaweb")
        assert Lease.objects.acquire("ticker", "the other machine", 60)
        Machine.objects.register(["worker"])
    assert Heartbeat.objects.recent().exists()
    assert abs(Heartbeat.objects.get().at - real()) < timedelta(seconds=20)
    assert not Lease.objects.acquire("ticker", "this machine", 60), "the lease is not stolen"
    offset = Machine.objects.get().clock_offset
    assert abs(offset - minutes * 60) < 5
