"""The gallery: search while typing, filters in the URL, infinite scroll, and the scroll position after Back."""

import re

import pytest
from playwright.sync_api import expect

from ..support.installation import Installation
from .many_videos import add_videos


@pytest.fixture(scope="module")
def full_site(tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("wall")).start()
    site.add_member("ben")
    add_videos(site, 200)
    yield site
    site.stop()


def test_the_gallery_follows_the_search_and_back_undoes_it(full_site, sign_in):
    page = sign_in(full_site, "ada")
    box = page.get_by_role("searchbox", name="Search videos")
    box.press_sequentially("fox cross", delay=30)
    page.wait_for_url(re.compile(r"\?q=fox"))
    expect(page.locator(".card", has_text="Paper boats")).to_have_count(0)
    expect(page.locator(".card").first).to_contain_text("A fox")
    expect(box).to_be_focused()
    page.reload()
    expect(page.locator(".card").first).to_contain_text("A fox")
    page.go_back()
    expect(page).to_have_url(f"{full_site.url}/")
    expect(page.locator(".card", has_text="Paper boats").first).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search videos")).to_have_value("")


def test_the_filters_appear_with_the_first_video(tmp_path, sign_in):
    site = Installation(tmp_path / "new").start()
    try:
        page = sign_in(site, "ada")
        filters = page.get_by_role("navigation", name="Filters")
        expect(page.get_by_role("heading", name="No videos yet")).to_be_visible()
        expect(filters).to_be_hidden()
        site.visitor().submit(prompt="The first of all")
        expect(page.locator(".card")).to_have_count(1)
        expect(page.get_by_role("heading", name="No videos yet")).to_be_hidden()
        expect(filters.get_by_role("link", name="Mine")).to_be_visible()
    finally:
        site.stop()


def test_filters_are_links_that_combine_and_an_empty_result_offers_to_widen_it(full_site, sign_in):
    page = sign_in(full_site, "ada")
    page.get_by_role("button", name="Ratio").click()
    page.get_by_role("link", name="9:16").click()
    page.wait_for_url(re.compile("ratio=9%3A16"))
    assert set(page.locator(".card").evaluate_all("cards => cards.map(card => card.dataset.ratio)")) == {"9:16"}
    page.get_by_role("link", name="Mine").click()
    page.wait_for_url(re.compile("member=ada"))
    assert set(page.locator(".card").evaluate_all("cards => cards.map(card => card.dataset.by)")) == {"you"}
    page.get_by_role("link", name="Failed").click()
    expect(page.get_by_role("heading", name="No videos match")).to_be_visible()
    page.get_by_role("link", name="without failed").click()
    expect(page.locator(".card").first).to_be_visible()
    page.get_by_role("link", name="Clear").click()
    expect(page).to_have_url(f"{full_site.url}/")


def test_back_returns_to_the_card_that_was_opened(full_site, sign_in):
    page = sign_in(full_site, "ada")
    while page.locator(".card").count() < 140:
        shown = page.locator(".card").count()
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_function("shown => document.querySelectorAll('.card').length > shown", arg=shown)
    deep = page.locator(".card").nth(120)
    deep.scroll_into_view_if_needed()
    uuid = deep.get_attribute("id")
    page.wait_for_timeout(400)
    expect(page).to_have_url(re.compile(r"\?before=\d+"))
    # Leave the studio for another page: a dialog would keep the gallery as it is.
    page.goto(f"{full_site.url}/trash/")
    page.go_back()
    expect(page.locator(f"#{uuid}")).to_be_in_viewport()
    expect(page.get_by_role("link", name="Newer videos")).to_be_attached()


def test_without_javascript_pages_are_reached_by_links(full_site, sign_in):
    page = sign_in(full_site, "ada", java_script_enabled=False)
    first = page.locator(".card").first.get_attribute("id")
    page.get_by_role("link", name="Older videos").click()
    expect(page.locator(f"#{first}")).to_have_count(0)
    page.get_by_role("link", name="Newer videos").click()
    expect(page.locator(f"#{first}")).to_be_visible()
    page.get_by_role("searchbox", name="Search videos").fill("fox")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"q=fox"))
    expect(page.locator(".card").first).to_contain_text("A fox")


def test_a_teammate_s_new_video_obeys_the_filters_of_the_page(full_site, sign_in):
    ada = sign_in(full_site, "ada")
    ada.goto(f"{full_site.url}/?q=heron")
    expect(ada.get_by_role("heading", name="No videos match")).to_be_visible()
    ben = full_site.visitor("ben")
    fox, heron = ben.submit(prompt="A fox [slow]"), ben.submit(prompt="A heron [slow]")
    expect(ada.locator(f"#generation-{heron}")).to_be_visible(timeout=8_000)
    expect(ada.locator(f"#generation-{fox}")).to_have_count(0)
    expect(ada.get_by_role("heading", name="No videos match")).to_be_hidden()
