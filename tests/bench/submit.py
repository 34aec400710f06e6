"""Measure the submission path on a whole installation: `.venv/bin/python -m tests.bench.submit`. Prints a table.

click to POST: from the press of Generate in a real browser to the provider's receipt of the POST.
100 queued: from the first to the last acceptance by a provider that answers after 1 s, by the product's drain and,
beside it, by one queue task per generation on as many workers as this machine has cores.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from ..installation import ROOT, Installation

BATCH = 100
CLICKS = 30


def one_by_one(pk: int) -> None:
    """The obvious way, for comparison: a task of the queue submits one generation and waits for the answer."""
    import httpx

    from videos.models import Generation
    from videos.provider import Result

    generation = Generation.objects.get(pk=pk)
    claim = generation.claim()
    answer = httpx.post(
        f"{claim.token.base_url}/luma/videos",
        json=generation.request(claim, {}).payload(),
        headers={"authorization": f"Bearer {claim.token.secret}"},
        timeout=30,
    )
    generation.record(Result(task_id=answer.json()["task_id"]), "answer")


def ledger(house: Installation) -> list[dict]:
    """Every POST the provider has received: what it says of them itself."""
    done = subprocess.run(
        [sys.executable, "-m", "videos.sandbox", "--ledger"],
        cwd=ROOT, env=house.env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def clicks(folder: Path) -> list[float]:
    """Seconds from each click to the provider's receipt."""
    from playwright.sync_api import sync_playwright

    from ..browser.conftest import FLAGS
    from ..find_browser import find
    from ..installation import PASSWORD

    house = Installation(folder, SANDBOX_SECONDS="0.5", SANDBOX_SCALE="0.15").start()
    pressed = {}
    try:
        path = find()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page()
            page.goto(f"{house.url}/login/")
            page.get_by_label("Username").fill("ada")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{house.url}/")
            page.evaluate(
                "addEventListener('click', ({target}) => target.closest('button[type=submit]') "
                "&& (window.pressedAt = Date.now()), true)"
            )
            for _ in range(CLICKS):
                prompt = f"click {uuid.uuid4().hex}"
                page.get_by_label("Prompt", exact=True).fill(prompt)
                page.locator("#composer button[type=submit]").last.click()
                page.locator(".card", has_text=prompt).first.wait_for()
                pressed[prompt] = page.evaluate("window.pressedAt") / 1000
                page.wait_for_timeout(700)
            browser.close()
        time.sleep(2)
        received = {line["request"]["prompt"]: line["received_at"] for line in ledger(house)}
        return [received[prompt] - at for prompt, at in pressed.items()]
    finally:
        house.stop()


def batch(folder: Path, *, coalesced: bool) -> float:
    """Seconds until a provider that answers after 1 s has accepted all of a batch that was queued at once."""
    house = Installation(
        folder, SANDBOX_ACCEPT_SECONDS="1", SANDBOX_SECONDS="30", SANDBOX_SCALE="0.1"
    ).start()  # fmt: skip
    wake = "submit_later()" if coalesced else "[async_task('tests.bench.submit.one_by_one', pk) for pk in made]"
    try:
        house.python(
            "import uuid\n"
            "from django_q.tasks import async_task\n"
            "from videos.models import Generation, Member, Submission\n"
            "from videos.tasks import submit_later\n"
            "ada = Member.objects.get()\n"
            # Held back until all are there, so that what is measured is the sending.
            "from django.db import transaction\n"
            "with transaction.atomic():\n"
            f"    for number in range({BATCH}):\n"
            "        Submission.objects.open(ada, uuid.uuid4(), 1, prompt=f'batch {number}')\n"
            "made = list(Generation.objects.values_list('pk', flat=True))\n"
            f"{wake}"
        )
        for _ in range(600):
            done = [line for line in ledger(house) if line["answered"] == 200]
            if len(done) == BATCH:
                break
            time.sleep(0.5)
        assert len(done) == BATCH, f"{len(done)} of {BATCH} were accepted"
        received = [line["received_at"] for line in done]
        return max(received) - min(received) + 1.0
    finally:
        house.stop()


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        latency = sorted(clicks(Path(scratch, "clicks")))
        ours = batch(Path(scratch, "drain"), coalesced=True)
        theirs = batch(Path(scratch, "one-by-one"), coalesced=False)
    p95 = latency[int(len(latency) * 0.95)]
    print(f"cores                                  {os.cpu_count()}")
    print(f"click to POST, median of {CLICKS}              {statistics.median(latency) * 1000:7.0f} ms")
    print(f"click to POST, p95                     {p95 * 1000:7.0f} ms")
    print(f"{BATCH} queued, accepted, one drain         {ours:7.1f} s")
    print(f"{BATCH} queued, one task each, 2 workers    {theirs:7.1f} s")
    print(f"ratio                                  {theirs / ours:7.1f}")


if __name__ == "__main__":
    main()
