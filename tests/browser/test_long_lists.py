"""Long lists of members and collections can be filtered."""

import re

import pytest
from playwright.sync_api import Page, expect

from ..support.installation import Installation
from .axe import NARROW, WIDE, violations

MAKE = """
from videos.models import Collection, Member
ada = Member.objects.get(username="ada")
names = {7: "Zoë", 8: "Łucja"}
for n in range(30):
    Member.objects.create(username=f"member-{n:02}", first_name=names.get(n, ""), last_name=f"Number {n}")
    Collection.objects.create(name=f"Réel {n:02}", created_by=ada)
"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    studio = Installation(tmp_path_factory.mktemp("studio")).start()
    visitor = studio.visitor()
    visitor.wait_until_saved(visitor.submit(prompt="What the lists are about"))
    studio.python(MAKE)
    yield studio
    studio.stop()


def menu(page: Page, name: str):
    page.get_by_role("navigation", name="Filters").get_by_role("button", name=name).click()
    return page.locator(f"#filter-{name.lower()}")


def test_a_member_is_found_by_part_of_the_name_and_chosen_with_enter(studio, sign_in):
    page = sign_in(studio, "ada")
    members = menu(page, "Member")
    field = members.get_by_role("searchbox", name="Find a member")
    expect(field).to_be_focused()
    # All but the reader, for whom there is "Mine".
    expect(members.get_by_role("link")).to_have_count(30)
    field.fill("R-2")
    expect(members.get_by_role("link")).to_have_count(10)
    expect(page.get_by_role("status").first).to_have_text("10 of 30")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(members.get_by_role("link", name="member-21")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(field).to_be_focused()
    field.fill("nobody at all")
    expect(members.get_by_text("Nothing by that name.")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{studio.url}/")
    # As in every search field, the first Escape clears the text.
    page.keyboard.press("Escape")
    # All but the reader, for whom there is "Mine".
    expect(members.get_by_role("link")).to_have_count(30)
    field.fill("member")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(members).to_be_hidden()
    menu(page, "Member")
    # All but the reader, for whom there is "Mine".
    expect(members.get_by_role("link")).to_have_count(30)
    field.fill("13")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{studio.url}/?member=member-13")


def test_a_short_menu_has_no_field(studio, sign_in):
    page = sign_in(studio, "ada")
    expect(menu(page, "Ratio").get_by_role("link", name="16:9")).to_be_visible()
    page.wait_for_function("() => customElements.get('filter-list')")
    expect(page.locator("#filter-ratio input")).to_have_count(0)


def test_a_collection_is_found_without_its_accent_and_receives_the_selection(studio, sign_in):
    page = sign_in(studio, "ada")
    page.locator(".card").hover()
    page.locator(".card").get_by_role("checkbox", name="Select").click()
    page.get_by_role("button", name="Add to collection").click()
    field = page.locator("#selection-collection").get_by_role("searchbox", name="Find a collection")
    field.fill("reel 04")
    expect(page.locator("#selection-collection .menu-item:visible")).to_have_text(["Réel 04"])
    field.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Réel 04")
    page.locator(".card-link").click()
    film = page.get_by_role("dialog")
    film.locator("summary", has_text="Collections").click()
    field = film.get_by_role("searchbox", name="Find a collection")
    field.fill("05 REEL")
    boxes = film.locator(".collection-option:visible")
    expect(boxes).to_have_count(1)
    # Leaving the field does not change the video's collections; ticking a box does.
    with page.expect_response(re.compile("/collections/$")) as sent:
        boxes.click()
    assert sent.value.request.post_data.count("in=") == 2
    expect(film.locator(".collections-menu summary small", has_text="2")).to_be_visible()


def test_a_member_is_found_on_the_team_page(studio, sign_in):
    page = sign_in(studio, "ada")
    page.goto(f"{studio.url}/team/")
    field = page.get_by_role("searchbox", name="Find a member")
    expect(field).not_to_be_focused()
    for typed, username in (("LUCJA", "member-08"), ("zoe", "member-07")):
        field.fill(typed)
        expect(page.locator(".team-row:visible")).to_have_count(1)
        expect(page.locator(".team-row:visible")).to_contain_text(username)
    field.press("Enter")
    expect(page.get_by_role("heading", name="Zoë Number 7", level=1)).to_be_visible()


def test_a_collection_is_found_on_the_collections_page(studio, sign_in):
    page = sign_in(studio, "ada")
    page.goto(f"{studio.url}/collections/")
    expect(page.locator(".collection-card:visible")).to_have_count(30)
    page.get_by_role("searchbox", name="Find a collection").fill("reel 17")
    expect(page.locator(".collection-card:visible")).to_have_count(1)
    page.keyboard.press("Enter")
    tabs = page.get_by_role("navigation", name="Collections")
    expect(tabs.get_by_role("link", name="Réel 17").and_(page.locator("[aria-current]")).first).to_be_visible()


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_filtered_lists_have_no_axe_violation(studio, sign_in, size, theme):
    page = sign_in(studio, "ada", viewport=size, color_scheme=theme)
    members = menu(page, "Member")
    expect(members.get_by_role("searchbox")).to_be_visible()
    assert violations(page) == []
    page.goto(f"{studio.url}/team/")
    expect(page.get_by_role("searchbox", name="Find a member")).to_be_visible()
    assert violations(page) == []
