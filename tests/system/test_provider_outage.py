"""Ten seconds without the provider: a whole installation, its sandbox and twelve queued videos."""

import json
import subprocess
import sys
import time
import uuid

import pytest

from ..support.installation import ROOT, Installation

QUEUED = 12
OUTAGE = 10.0  # seconds

# Switches the sandbox off and on. While it only cuts connections, it still starts the requested tasks.
AWAY = {
    "connection refused": ({"outage": "refused", "seconds": OUTAGE}, {"outage": None}),
    "502 with a page": ({"outage": "502", "seconds": OUTAGE}, {"outage": None}),
    "503 with Retry-After": ({"outage": "503", "seconds": OUTAGE}, {"outage": None}),
    "accepted and cut": ({"faults": "drop=1,lost=1"}, {"faults": None}),
}

OUTCOME = """
import json
from django.db.models import Q
from videos.models import ApiToken, Event, Generation
rows = Generation.objects.filter(prompt__startswith={prefix!r})
doubted = Event.objects.filter(generation__in=rows, kind="unanswered").values("generation").distinct().count()
states = list(rows.values_list("state", flat=True))
print(json.dumps({{"states": states, "doubted": doubted, "health": ApiToken.objects.get(enabled=True).health}}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("outage")).start()
    yield site
    site.stop()


def control(site: Installation, change: dict) -> None:
    subprocess.run(
        [sys.executable, "-m", "videos.sandbox", "--control", json.dumps(change)],
        cwd=ROOT,
        env=site.env,
        check=True,
        timeout=30,
    )


def ledger(site: Installation) -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-m", "videos.sandbox", "--ledger"],
        cwd=ROOT,
        env=site.env,
        check=True,
        timeout=30,
        capture_output=True,
        text=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def outcome(site: Installation, prefix: str) -> dict:
    return json.loads(site.python(OUTCOME.format(prefix=prefix)).splitlines()[-1])


@pytest.mark.parametrize("mode", AWAY)
def test_a_ten_second_outage_leaves_at_most_three_unconfirmed_and_none_failed(site, mode):
    """The token was used a moment before and is healthy, so it may send many at once."""
    ada = site.visitor()
    warm = ada.submit(prompt=f"before {mode}")
    ada.wait_for(warm, "completed", seconds=90)
    away, back = AWAY[mode]
    prefix = uuid.uuid4().hex
    control(site, away)
    began = time.monotonic()
    answer = ada.post("/generations/", prompt="\n".join(f"{prefix} {n}" for n in range(QUEUED)), several="1")
    assert answer.status_code == 200, answer.text
    if "outage" not in away:
        time.sleep(max(0, OUTAGE - (time.monotonic() - began)))
        control(site, back)
    end = time.monotonic() + 150
    while set((now := outcome(site, prefix))["states"]) - {"completed", "unconfirmed", "failed"}:
        assert time.monotonic() < end, f"{mode}: {now}"
        time.sleep(1)
    control(site, back)
    assert len(now["states"]) == QUEUED
    assert "failed" not in now["states"]
    assert now["doubted"] <= 3
    assert now["states"].count("completed") >= QUEUED - 3
    assert now["health"] == "ok"
    accepted = [line["prompt"] for line in ledger(site) if line["accepted"] and line["prompt"].startswith(prefix)]
    assert len(accepted) == len(set(accepted)), "nothing is paid twice"
