"""Extend without a source: a dialog, or without JavaScript a page, offers the videos, and nothing typed is lost."""

import re

import pytest
from playwright.sync_api import Page, expect

from ..support.installation import Installation
from .axe import violations
from .many_videos import add_videos
from .studio import a_frame

HERON = "A heron over still water"


@pytest.fixture(scope="module")
def stocked_site(tmp_path_factory):
    """Start an installation with more videos than one page of the picker."""
    site = Installation(tmp_path_factory.mktemp("stocked")).start()
    site.add_member("ben")
    visitor = site.visitor()
    visitor.wait_until_saved(visitor.submit(prompt=HERON))
    add_videos(site, 60)
    yield site
    site.stop()


def prompt(page: Page):
    return page.get_by_label("Prompt", exact=True)


def extend_mode(page: Page) -> None:
    page.locator("#video-form .bar label").get_by_text("Extend", exact=True).click()


def picker(page: Page):
    return page.get_by_role("dialog", name="Choose a video to extend")


def choices(page: Page):
    return page.locator(".video-picker-choice")


def end_frame(page: Page):
    return page.locator('#video-form input[name="end_frame"]')


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_extending_nothing_opens_the_picker_and_keeps_the_form(stocked_site, sign_in, scheme):
    page = sign_in(stocked_site, "ada", color_scheme=scheme)
    posts = []
    page.on("request", lambda one: posts.append(one.url) if one.method == "POST" else None)
    extend_mode(page)
    prompt(page).fill("The heron\nflies away")
    page.get_by_role("radio", name="3", exact=True).check(force=True)
    page.locator('input[type="file"][name="end_image"]').set_input_files(a_frame("teal"))
    expect(end_frame(page)).to_have_value(re.compile("[0-9a-f-]{36}"))
    kept = end_frame(page).input_value()
    posts.clear()
    prompt(page).press("Control+Enter")
    expect(picker(page)).to_be_visible()
    search = picker(page).get_by_role("searchbox")
    expect(search).to_be_focused()
    assert not violations(page)
    # Older videos arrive by scrolling.
    expect(choices(page)).to_have_count(24)
    page.locator(".video-picker-older").scroll_into_view_if_needed()
    expect(choices(page)).to_have_count(48)
    search.fill("HERON still")
    expect(choices(page)).to_have_count(1)
    expect(page.locator("[data-found]")).to_have_text("1 video")
    search.press("ArrowDown")
    expect(choices(page).first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(search).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(picker(page)).to_have_count(0)
    expect(page.locator("#source")).to_contain_text(HERON)
    expect(prompt(page)).to_be_focused()
    expect(prompt(page)).to_have_value("The heron\nflies away")
    expect(page.get_by_role("radio", name="3", exact=True)).to_be_checked()
    expect(end_frame(page)).to_have_value(kept)
    assert not posts
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Video ID")).to_be_visible()
    expect(prompt(page)).to_have_value("The heron\nflies away")


def test_the_arrows_lead_through_the_picker_and_escape_leaves_it(stocked_site, sign_in):
    page = sign_in(stocked_site, "ada")
    extend_mode(page)
    opener = page.get_by_role("button", name="Choose a video")
    opener.click()
    expect(choices(page).first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(choices(page).nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    here = choices(page).evaluate_all("all => all.indexOf(document.activeElement)")
    boxes = [choices(page).nth(number).bounding_box() for number in (1, here)]
    assert boxes[0]["x"] == boxes[1]["x"] and boxes[0]["y"] < boxes[1]["y"]
    page.keyboard.press("Home")
    expect(choices(page).first).to_be_focused()
    page.keyboard.press("Escape")
    expect(picker(page)).to_have_count(0)
    expect(opener).to_be_focused()


def test_a_search_waits_for_the_end_of_a_composition(stocked_site, sign_in):
    page = sign_in(stocked_site, "ada")
    extend_mode(page)
    page.get_by_role("button", name="Choose a video").click()
    expect(choices(page).first).to_be_visible()
    searches = []
    page.on("request", lambda one: searches.append(one.url) if "/clips/" in one.url else None)
    session = page.context.new_cdp_session(page)
    session.send("Input.imeSetComposition", {"text": "her", "selectionStart": 3, "selectionEnd": 3})
    page.wait_for_timeout(500)  # longer than the search waits
    assert not searches
    with page.expect_request(re.compile(r"/clips/\?.*q=heron")):
        session.send("Input.insertText", {"text": "heron"})


def test_extend_on_a_card_is_the_source_of_a_form_that_waits_for_one(stocked_site, sign_in):
    page = sign_in(stocked_site, "ada")
    extend_mode(page)
    prompt(page).fill("It dives")
    page.goto(f"{stocked_site.url}/?q=heron+still")
    card = page.locator(".card")
    card.hover()
    card.get_by_role("link", name="Extend").click()
    expect(page.locator("#source")).to_contain_text(HERON)
    expect(prompt(page)).to_have_value("It dives")


def test_without_javascript_a_page_lists_the_videos_and_keeps_the_form(stocked_site, sign_in):
    page = sign_in(stocked_site, "ada", java_script_enabled=False, first_visit=True)
    for way in ("Choose a video", "Extend"):
        page.goto(stocked_site.url)
        extend_mode(page)
        prompt(page).fill("The heron <b>& flies</b>")
        page.get_by_role("radio", name="2", exact=True).check(force=True)
        page.locator('input[type="file"][name="end_image"]').set_input_files(a_frame("teal"))
        page.locator("#video-form").get_by_role("button", name=re.compile(f"^{way}")).click()
        expect(page.get_by_role("heading", name="Choose a video to extend")).to_be_visible()
        expect(page.get_by_text("Nothing was submitted")).to_have_count(int(way == "Extend"))
        expect(choices(page)).to_have_count(24)
        page.get_by_role("button", name="Older videos").click()
        expect(choices(page)).to_have_count(24)
        page.get_by_role("searchbox", name="Search videos").last.fill("heron still")
        page.get_by_role("button", name="Search", exact=True).click()
        expect(choices(page)).to_have_count(1)
        choices(page).click()
        expect(page).to_have_url(re.compile("/generations/[0-9a-f-]{36}/extend/$"))
        expect(page.locator("#source")).to_contain_text(HERON)
        expect(prompt(page)).to_have_value("The heron <b>& flies</b>")
        expect(page.get_by_role("radio", name="2", exact=True)).to_be_checked()
        expect(end_frame(page)).to_have_value(re.compile("[0-9a-f-]{36}"))
