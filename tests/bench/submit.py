"""The submission path on a whole installation: how fast a press of the button, and a thousand of them, get through.

click to POST: from the press of Generate in a real browser to the provider's receipt of the POST.
queued: from the wake-up to the last acceptance by a provider that answers after 1 s, by the product's drain in one
worker process and, beside it, by one queue task per generation on as many workers as this machine has cores.
"""

import statistics
import time
import uuid

from ..support.installation import PASSWORD, Installation
from .provider import Provider

BATCH = 1000
OBVIOUS = 60  # of them by the obvious way, which takes half a second each on two workers
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


def at(provider: Provider) -> dict[str, str]:
    """The environment of an installation whose provider this is."""
    return {"LUMAWEB_LUMA_BASE_URL": provider.url, "LUMAWEB_LUMA_TOKEN": "bench", "LUMAWEB_PUBLIC_URL": ""}


def clicks(house: Installation, provider: Provider) -> list[float]:
    """Seconds from each click to the provider's receipt."""
    from playwright.sync_api import sync_playwright

    from ..browser.conftest import FLAGS
    from ..find_browser import find

    pressed = {}
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
            "&& (window.pressedAt = performance.timeOrigin + performance.now()), true)"
        )
        for _ in range(CLICKS):
            prompt = f"click {uuid.uuid4().hex}"
            page.get_by_label("Prompt", exact=True).fill(prompt)
            page.locator("#video-form button[type=submit]").last.click()
            page.locator(".card", has_text=prompt).first.wait_for()
            pressed[prompt] = page.evaluate("window.pressedAt") / 1000
            page.wait_for_timeout(500)
        browser.close()
    time.sleep(2)
    return sorted(provider.received[prompt] - at for prompt, at in pressed.items())


QUEUE = """
import uuid
from django.db import transaction
from django_q.tasks import async_task
from videos.models import ApiToken, Generation, Member, Submission
from videos.jobs.queue import enqueue_drain
ApiToken.objects.update(max_in_flight=10000)
ada = Member.objects.get()
with transaction.atomic():
    for number in range({number}):
        Submission.objects.open(ada, uuid.uuid4(), 1, prompt=f"{name} {{number}}")
made = list(Generation.objects.filter(prompt__startswith="{name} ").values_list("pk", flat=True))
import time
print(time.time())
{wake}
"""


def queued(house: Installation, provider: Provider, number: int, *, coalesced: bool) -> float:
    """Seconds until all of a batch that was queued at once are accepted."""
    name = uuid.uuid4().hex
    one_each = "for pk in made: async_task('tests.bench.submit.one_by_one', pk)"
    wake = "enqueue_drain()" if coalesced else one_each
    started = float(house.python(QUEUE.format(number=number, name=name, wake=wake)).split()[-1])
    for _ in range(3000):
        accepted = [at for prompt, at in list(provider.accepted.items()) if prompt.startswith(name)]
        if len(accepted) == number:
            return max(accepted) - started
        time.sleep(0.1)
    raise AssertionError(f"{len(accepted)} of {number} were accepted after 300 s")


def measure(house: Installation, provider: Provider) -> dict:
    """Of an installation of workers only: seconds for the batch, and beside it the obvious way, for as many."""
    ours = queued(house, provider, BATCH, coalesced=True)
    theirs = queued(house, provider, OBVIOUS, coalesced=False) / OBVIOUS * BATCH
    return {"seconds": round(ours, 2), "one_task_each": round(theirs, 1), "ratio": round(theirs / ours, 1)}


def measure_clicks(house: Installation, provider: Provider) -> dict:
    """Of a whole installation, in milliseconds."""
    took = clicks(house, provider)
    return {
        "median": round(statistics.median(took) * 1000, 1),
        "p95": round(took[int(len(took) * 0.95)] * 1000, 1),
    }
