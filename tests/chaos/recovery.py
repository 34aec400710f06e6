"""Measures how long a killed program takes to work again."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
from django.db import close_old_connections

from videos.models import Event, Heartbeat, Lease

from ..support.installation import Installation
from .processes import ProcessTree

TIMEOUT = 120.0  # seconds


def measure_recovery(installation: Installation, target: str, pid: int, leader: int, killed_at: float) -> float:
    """Return the seconds from a kill until its program does something that only it can do; NaN after the timeout."""
    has_recovered = _recovery_check(installation, target, pid, leader, killed_at)
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        close_old_connections()
        if has_recovered():
            return time.time() - killed_at
        time.sleep(0.1)
    return float("nan")


def _recovery_check(
    installation: Installation, target: str, pid: int, leader: int, killed_at: float
) -> Callable[[], bool]:
    assert installation.process is not None
    root = installation.process.pid
    since = datetime.fromtimestamp(killed_at, UTC)
    if target.startswith(("worker", "media")):
        # It works again, or has a heartbeat if there is no work; another process of its pool may have sent that.
        program, cluster = ("worker", "lumaweb") if target.startswith("worker") else ("media", "media")
        kinds = ("claimed",) if program == "worker" else ("saved", "save_failed")
        must_restart = leader and target.endswith(("cluster", "sentinel"))
        return lambda: (
            not (must_restart and ProcessTree(root).program(program) in (None, leader))
            and (
                Event.objects.filter(kind__in=kinds, at__gt=since).exists()
                or Heartbeat.objects.of_cluster(cluster).filter(at__gt=since).exists()
            )
        )
    if target == "ticker":
        # A lease that is extended after the kill shows that a ticker runs.
        before = Lease.objects.values_list("until", flat=True).filter(name="ticker").first()
        return lambda: Lease.objects.filter(name="ticker", until__gt=before).exists()
    program = "web" if target.startswith("web") else "sandbox"
    port = installation.port if program == "web" else installation.sandbox_port
    # A killed master's workers answer for a moment, so that a new master must be running.
    return lambda: ProcessTree(root).program(program) not in (None, pid) and _is_healthy(port)


def _is_healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
