"""Times and days come from the server's clock, whatever the browser's says and however long a page is open."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from ..support.installation import Installation

# A browser whose clock is wrong by `shift` milliseconds, which may change while the page is open.
WRONG_CLOCK = """
globalThis.shift = %d;
const Right = Date;
globalThis.Date = class extends Right {
    constructor(...values) { values.length ? super(...values) : super(Right.now() + shift); }
    static now() { return Right.now() + shift; }
};
"""
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
WEST, EAST = "Etc/GMT+12", "Etc/GMT-12"  # a day apart

# A video usually takes ten minutes. Two are in progress: one for an hour, one for 20 seconds.
ROWS = """
from datetime import timedelta
from django.utils import timezone
from tests.support.factories import a_generation
from videos.models import Generation, Member
ada, now = Member.objects.get(username="ada"), timezone.now()
def add(prompt, state, days=0, **fields):
    row = a_generation(ada, prompt=prompt)
    Generation.objects.filter(pk=row.pk).update(state=state, created_at=now - timedelta(days=days), **fields)
for days in (2, 1, 0):
    add(f"{days} days old", "canceled", days)
ago = lambda seconds: now - timedelta(seconds=seconds)
add("done", "completed", submitted_at=ago(2000), accepted_at=ago(2000), finished_at=ago(1400), archive="lost")
for seconds in (3600, 20):
    add(f"since {seconds}", "processing", submitted_at=ago(seconds), accepted_at=ago(seconds), task_id=str(seconds))
"""


@pytest.fixture
def west(tmp_path) -> Iterator[Installation]:
    """Start a web server, whose team is at the far west, with videos of three days."""
    site = Installation(tmp_path, LUMAWEB_TIME_ZONE=WEST).start(only=("web",))
    site.python(ROWS)
    yield site
    site.stop()


def test_times_and_days_do_not_depend_on_the_browser_clock_or_the_age_of_the_page(west, sign_in):
    for shift in (3 * DAY_MS, -5 * HOUR_MS):
        page = sign_in(west, "ada")
        page.add_init_script(WRONG_CLOCK % shift)
        page.goto(west.url)
        late = page.locator(".card", has_text="since 3600")
        age = page.locator(".card", has_text="0 days old").locator("time-ago")
        expect(late.locator("elapsed-clock")).to_have_text(re.compile(r"6\d:\d\d"))
        expect(late).to_contain_text("generating, longer than usual")
        expect(page.locator(".card", has_text="since 20")).to_contain_text("generating, usually about 10:00")
        expect(age).to_have_text(re.compile(r"^(just now|\d min ago)$"))
        title, machine = age.locator("time").evaluate("one => [one.title, one.dateTime]")
        assert machine.endswith("-12:00")
        assert f"{machine[:4]} at {machine[11:16]}" in title
        # The clock is set while the page is open: the page asks the server.
        with page.expect_response("**/healthz") as asked:
            page.evaluate(f"shift -= {9 * HOUR_MS}")
        assert asked.value.ok
        expect(age).to_have_text(re.compile(r"^(just now|\d min ago)$"))
    heads = page.locator(".day-head")
    today, yesterday, before = heads.all_inner_texts()
    assert (today, yesterday) == ("Today", "Yesterday")
    page.evaluate("document.querySelector('.day').dataset.kept = ''")
    # A day passes.
    west.stop()
    west.env["LUMAWEB_TIME_ZONE"] = EAST
    west.start(only=("web",))
    page.evaluate("document.querySelector('live-updates').poll()")
    expect(heads.first).to_have_text("Yesterday")
    assert heads.nth(1).inner_text() not in ("Today", "Yesterday", before)
    assert heads.nth(2).inner_text() == before
    expect(page.locator(".day[data-kept]")).to_have_count(1)
