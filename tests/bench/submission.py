"""The submission on a whole installation: one click, and a thousand queued videos.

Click: from the press of Generate in a real browser to the provider's receipt of the POST. Batch: from the wake-up of
the workers to the last acceptance by a provider that answers after 1 s, in one worker process; the baseline is one
queue task for each generation, on as many workers as this machine has cores.
"""

import statistics
import time
import uuid
from collections.abc import Callable

from playwright.sync_api import sync_playwright

from ..browser.conftest import FLAGS
from ..find_browser import find
from ..support.installation import PASSWORD, Installation
from .provider import Provider

BATCH = 1000
BASELINE_BATCH = 60  # each takes half a second on two workers
CLICKS = 30
TIMEOUT = 300.0  # seconds
CLICK_LISTENER = """
addEventListener('click', ({target}) => {
    if (target.closest('button[type=submit]')) window.pressedAt = performance.timeOrigin + performance.now()
}, true)
"""


def environment_for(provider: Provider) -> dict[str, str]:
    """Return the environment of an installation that uses a provider."""
    return {"LUMAWEB_LUMA_BASE_URL": provider.url, "LUMAWEB_LUMA_TOKEN": "bench", "LUMAWEB_PUBLIC_URL": ""}


def measure_batch(installation: Installation, provider: Provider) -> dict[str, float]:
    """Measure an installation without a ticker; seconds for the batch."""
    _allow_many_in_flight(installation)
    drained = _queue_and_wait(installation, provider, BATCH, one_task_each=False)
    baseline = _queue_and_wait(installation, provider, BASELINE_BATCH, one_task_each=True) / BASELINE_BATCH * BATCH
    return {"seconds": round(drained, 2), "one_task_each": round(baseline, 1), "ratio": round(baseline / drained, 1)}


def measure_clicks(installation: Installation, provider: Provider) -> dict[str, float]:
    """Measure a whole installation; milliseconds from the click to the receipt."""
    _allow_many_in_flight(installation)
    seconds = _click(installation, provider)
    return {
        "median": round(statistics.median(seconds) * 1000, 1),
        "p95": round(seconds[int(len(seconds) * 0.95)] * 1000, 1),
    }


def _allow_many_in_flight(installation: Installation) -> None:
    """Raise the limit of the API token: the provider of this benchmark never finishes a task."""
    installation.python("from tests.bench.inside import fixtures\nfixtures.allow_many_in_flight()")


def _queue_and_wait(installation: Installation, provider: Provider, number: int, *, one_task_each: bool) -> float:
    """Queue some generations at once; return the seconds until all are accepted."""
    name = uuid.uuid4().hex
    started = float(
        installation.python(
            "import time\nfrom tests.bench.inside import fixtures\n"
            f"keys = fixtures.queue_batch({number}, {name!r})\n"
            "print(time.time())\n"
            f"fixtures.wake_workers(keys, one_task_each={one_task_each})"
        )
    )
    accepted = _wait_for(provider.accepted, lambda prompt: prompt.startswith(name), number)
    return max(accepted.values()) - started


def _wait_for(times: dict[str, float], is_ours: Callable[[str], bool], number: int) -> dict[str, float]:
    """Wait until the provider has recorded so many of our prompts; return their times."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        found = {prompt: at for prompt, at in list(times.items()) if is_ours(prompt)}
        if len(found) == number:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{len(found)} of {number} arrived within {TIMEOUT:.0f} s")


def _click(installation: Installation, provider: Provider) -> list[float]:
    """Press Generate in a browser; return the seconds from each click to the provider's receipt, sorted."""
    pressed_at = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        page = browser.new_page()
        page.goto(f"{installation.url}/login/")
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{installation.url}/")
        page.evaluate(CLICK_LISTENER)
        for _ in range(CLICKS):
            prompt = f"click {uuid.uuid4().hex}"
            page.get_by_label("Prompt", exact=True).fill(prompt)
            page.locator("#video-form button[type=submit]").last.click()
            page.locator(".card", has_text=prompt).first.wait_for()
            pressed_at[prompt] = page.evaluate("window.pressedAt") / 1000
            page.wait_for_timeout(500)
        browser.close()
    received_at = _wait_for(provider.received, lambda prompt: prompt in pressed_at, CLICKS)
    return sorted(received_at[prompt] - at for prompt, at in pressed_at.items())
