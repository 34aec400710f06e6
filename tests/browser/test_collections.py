"""Collections in the studio: one click away, as the target of new videos, and in the team's order."""

import re

import pytest
from playwright.sync_api import Page, expect

from ..support.installation import Installation
from .many_videos import add_videos
from .studio import card, press

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("collections")).start()
    site.add_member("ben")
    add_videos(site, 6)
    yield site
    site.stop()


def create(site: Installation, *names: str) -> None:
    """Create collections; the last is first in the team's order."""
    site.python(
        "from videos.models import Collection, Member\n"
        f"for name in {names!r}: Collection.objects.named(name, Member.objects.get(username='ada'))"
    )


def delete_all(site: Installation) -> None:
    site.python("from videos.models import Collection\nCollection.objects.all().delete()")


@pytest.fixture(autouse=True)
def no_collections(site):
    """Leave no collection to the next test."""
    yield
    delete_all(site)


def tabs(page: Page):
    return page.get_by_role("navigation", name="Collections").locator("#collection-tabs")


def tile(page: Page, name: str):
    return page.locator(".collection-card").filter(has=page.get_by_text(name, exact=True))


def names(page: Page) -> list[str]:
    return page.locator("[data-find]").all_inner_texts()


def submit(page: Page, prompt: str) -> str:
    page.get_by_label("Prompt", exact=True).fill(prompt)
    return press(page, "Generate")


def test_a_new_collection_appears_at_once_here_and_soon_in_a_teammate_s_page(site, sign_in):
    create(site, "Known")
    ada, ben = sign_in(site, "ada"), sign_in(site, "ben")
    ben.get_by_label("Collection", exact=True).select_option("Known")
    ben.get_by_role("button", name="Collections", exact=True).click()
    first = ada.locator(".card:has(.select)").first
    first.hover()
    first.get_by_role("checkbox", name="Select").click()
    ada.get_by_role("button", name="Add to collection").click()
    ada.get_by_label("New collection").fill("Fresh & new")
    ada.get_by_role("button", name="Add", exact=True).click()
    # Sooner than a poll comes.
    expect(tabs(ada).get_by_role("link", name="Fresh & new")).to_be_visible(timeout=3_000)
    expect(tabs(ben).get_by_role("link", name="Fresh & new")).to_be_visible(timeout=10_000)
    expect(ben.locator("#filter-collection").get_by_role("link", name="Fresh & new")).to_be_visible()
    expect(ben.get_by_label("Collection", exact=True).locator("option:checked")).to_have_text("Known")
    ada.locator(".toast").get_by_role("link", name="Fresh & new").click()
    ada.wait_for_url(re.compile("collection="))
    expect(ada.locator(".card")).to_have_count(1)
    expect(tabs(ada).locator("[aria-current=page]")).to_have_text("Fresh & new")
    tabs(ada).get_by_role("link", name="All videos").click()
    ada.wait_for_url(f"{site.url}/")


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 900}], ids=["phone", "desktop"])
def test_new_videos_go_into_the_collection_that_is_shown_until_another_is_chosen(site, sign_in, viewport):
    create(site, "Other", "Shown")
    page = sign_in(site, "ada", viewport=viewport)
    chosen = page.get_by_label("Collection", exact=True)
    tabs(page).get_by_role("link", name="Shown").click()
    page.wait_for_url(re.compile("collection="))
    here = page.url
    if viewport is PHONE:
        page.get_by_role("link", name="New video").click()
    expect(chosen.locator("option:checked")).to_have_text("Shown")
    uuid = submit(page, f"Into what is shown at {viewport['width']}")
    expect(card(page, uuid)).to_be_visible()
    page.reload()
    expect(card(page, uuid)).to_be_visible()
    # Another choice is kept while this collection is shown, and ends with it.
    if viewport is PHONE:
        page.get_by_role("link", name="New video").click()
    chosen.select_option("Other")
    page.reload()
    expect(chosen.locator("option:checked")).to_have_text("Other")
    page.goto(f"{site.url}/")
    expect(chosen.locator("option:checked")).to_have_text("None")
    page.goto(here)
    expect(chosen.locator("option:checked")).to_have_text("Shown")


def test_an_extension_keeps_the_collection_and_a_deleted_one_stops_nothing_but_itself(site, sign_in):
    create(site, "Series")
    page = sign_in(site, "ada")
    tabs(page).get_by_role("link", name="Series").click()
    uuid = submit(page, "The first of a series")
    expect(card(page, uuid)).to_have_attribute("data-state", "completed", timeout=40_000)
    page.goto(f"{site.url}/")
    chosen = page.get_by_label("Collection", exact=True)
    expect(chosen.locator("option:checked")).to_have_text("None")
    card(page, uuid).hover()
    card(page, uuid).get_by_role("link", name="Extend").click()
    expect(chosen.locator("option:checked")).to_have_text("Series")
    # Deleted while the form is open: nothing is sent, and the form says why.
    page.route("**/live/**", lambda route: route.abort())
    delete_all(site)
    page.get_by_label("Prompt", exact=True).fill("It goes on")
    page.locator("#video-form").get_by_role("button", name=re.compile("^Extend")).last.click()
    expect(page.locator("#collection-error")).to_contain_text("This collection no longer exists.")
    expect(chosen).to_be_focused()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("It goes on")
    press(page, "Extend")
    assert (
        site.python("from videos.models import Generation\nprint(Generation.objects.filter(action='extend').count())")
        == "1"
    )


def test_the_team_arranges_its_collections_by_keyboard_and_by_dragging(site, sign_in):
    create(site, "D", "C", "B", "A")
    ada, ben = sign_in(site, "ada"), sign_in(site, "ben")
    for page in (ada, ben):
        page.goto(f"{site.url}/collections/")
        assert names(page) == ["A", "B", "C", "D"]
    later = ada.get_by_role("button", name="Move later: A", exact=True)
    later.focus()
    ada.keyboard.press("Enter")
    expect(ada.locator("[data-find]")).to_have_text(["B", "A", "C", "D"])
    expect(later).to_be_focused()
    expect(ada.get_by_role("status").first).to_have_text("A: 2 of 4")
    ada.keyboard.press("Enter")
    expect(ada.locator("[data-find]")).to_have_text(["B", "C", "A", "D"])
    expect(later).to_be_focused()
    ada.keyboard.press("Enter")
    expect(ada.locator("[data-find]")).to_have_text(["B", "C", "D", "A"])
    # The end is reached: the focus stays on the card.
    expect(ada.get_by_role("button", name="Move earlier: A", exact=True)).to_be_focused()
    # Ben's page still has the old order; both changes count.
    handle = tile(ben, "D").locator(".drag-handle")
    handle.hover()
    ben.mouse.down()
    target = tile(ben, "B").bounding_box()
    ben.mouse.move(target["x"] + target["width"] / 2, target["y"] + target["height"] / 2, steps=8)
    with ben.expect_response("**/place/"):
        ben.mouse.up()
    expect(ben.locator("[data-find]")).to_have_text(["D", "B", "C", "A"])
    # Escape puts it back.
    tile(ben, "C").locator(".drag-handle").hover()
    ben.mouse.down()
    box = tile(ben, "D").bounding_box()
    ben.mouse.move(box["x"] + 90, box["y"] + 60, steps=5)
    assert names(ben) == ["C", "D", "B", "A"]
    ben.keyboard.press("Escape")
    ben.mouse.up()
    assert names(ben) == ["D", "B", "C", "A"]
    ada.goto(f"{site.url}/")
    expect(tabs(ada).get_by_role("link")).to_have_text(["All videos", "D", "B", "C", "A"])


def test_collections_are_arranged_and_chosen_without_javascript(site, sign_in):
    create(site, "Second", "First")
    page = sign_in(site, "ben", java_script_enabled=False)
    page.goto(f"{site.url}/collections/")
    page.get_by_role("button", name="Move earlier: Second").click()
    assert names(page) == ["Second", "First"]
    page.goto(f"{site.url}/")
    page.get_by_label("Prompt", exact=True).fill("Without a script")
    page.get_by_label("Collection", exact=True).select_option("First")
    page.locator("#video-form").get_by_role("button", name=re.compile("^Generate")).click()
    tabs(page).get_by_role("link", name="First").click()
    expect(page.locator(".card")).to_have_count(1)
    expect(page.get_by_label("Collection", exact=True).locator("option:checked")).to_have_text("First")
