"""The usage page: figures, plots, tables and date ranges, on a desktop and on a phone."""

import csv
import io

import pytest
from playwright.sync_api import expect

from ..support.installation import Installation
from .axe import NARROW, WIDE, violations
from .many_videos import add_videos

SPREAD = """
import random
from datetime import timedelta
from django.db.models import F
from django.utils import timezone
from videos.models import Generation, Member
chance = random.Random(5)
members = list(Member.objects.all())
for row in Generation.objects.all():
    at = timezone.now() - timedelta(days=chance.randrange(0, 25), hours=1)
    failed = chance.random() < 0.2
    Generation.objects.filter(pk=row.pk).update(
        version=F("version") + 1, changed_at=timezone.now(),
        created_at=at, member=chance.choice(members), amount=1500, finished_at=at + timedelta(seconds=75),
        state="failed" if failed else "completed",
        error_code=chance.choice(["forbidden", "api_error"]) if failed else "")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("usage")).start()
    site.add_member("ben")
    yield site
    site.stop()


def test_a_month_is_shown_in_plots_and_tables(site, sign_in):
    page = sign_in(site, "ben")
    page.get_by_role("button", name="Account of ben").click()
    page.get_by_role("link", name="Usage").click()
    expect(page.get_by_text("No videos were requested on these days")).to_be_visible()
    add_videos(site, 60)
    site.python(SPREAD)
    page.reload()
    expect(page.locator(".usage-totals")).to_contain_text("ready of 61")
    plot = page.get_by_role("img", name="61 videos")
    assert "on average; most on" in plot.get_attribute("aria-label")
    # Bars start at the axis, and the highest one fills the plot.
    boxes = plot.locator(".plot-segment").evaluate_all("ones => ones.map(one => one.getBoundingClientRect().height)")
    assert max(boxes) > 60
    page.get_by_text("As a table").first.click()
    rows = page.get_by_role("table").first.locator("tbody tr")
    expect(rows).to_have_count(30)
    assert sum(int(text) for text in rows.locator("td:nth-child(2)").all_inner_texts()) == 61
    failures = page.locator(".failures li")
    expect(failures).to_have_count(2)
    failures.first.get_by_role("link", name="Edit & retry").click()
    expect(page.get_by_role("textbox", name="Prompt")).not_to_have_value("")
    page.go_back()
    page.get_by_role("link", name="7 days").click()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    assert "since=" in page.url
    expect(page.locator("table").first.locator("tbody tr")).to_have_count(7)


def test_the_usage_csv_is_downloaded(site, sign_in, tmp_path):
    page = sign_in(site, "ada")
    page.goto(f"{site.url}/usage/")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    waiting.value.save_as(tmp_path / "usage.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "usage.csv").read_text())))
    assert sum(int(row["videos"]) for row in rows) == 61
    assert "token" in rows[0]


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_it_is_for_everyone(site, sign_in, scheme, viewport):
    page = sign_in(site, "ada", color_scheme=scheme, viewport=viewport)
    found = {}
    for path in ("/usage/", "/usage/?since=2020-01-01&until=2026-12-31", "/usage/?since=never", "/team/budget/"):
        page.goto(site.url + path)
        found[path] = violations(page)
        for width in (360, viewport["width"]):
            page.set_viewport_size({"width": width, "height": 800})
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert over <= 0, (path, width)
    assert {path: ones for path, ones in found.items() if ones} == {}
