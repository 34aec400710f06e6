"""Stars, the selection and its actions, as the member and teammates see them."""

import re
import zipfile

import pytest
from playwright.sync_api import expect

from ..support.installation import Installation
from .many_videos import add_videos


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("room")).start()
    site.add_member("ben")
    add_videos(site, 60)
    yield site
    site.stop()


def tick(page, *numbers, **options) -> None:
    for number in numbers:
        card = page.locator(".card:has(.select)").nth(number)
        card.hover()
        card.get_by_role("checkbox", name="Select").click(**options)


def test_a_star_shows_at_once_persists_and_is_the_member_s_own(site, sign_in):
    ada, ben = sign_in(site, "ada"), sign_in(site, "ben")
    card = ada.locator(".card:has(.select)").nth(2)
    card.hover()
    star = card.get_by_role("button", name="Star")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true", timeout=1_000)
    uuid = card.get_attribute("id")
    ada.get_by_role("link", name="Starred").click()
    expect(ada.locator(".card")).to_have_count(1)
    expect(ada.locator(f"#{uuid}")).to_be_visible()
    ben.reload()
    expect(ben.locator(f"#{uuid} .star-button")).to_have_attribute("aria-pressed", "false")


def test_a_range_is_selected_with_shift_and_cleared(site, sign_in):
    page = sign_in(site, "ada")
    expect(page.locator("#selection")).to_be_hidden()
    tick(page, 1)
    expect(page.locator("#selection")).to_be_visible()
    tick(page, 5, modifiers=["Shift"])
    expect(page.locator("#selection")).to_contain_text("5 selected")
    # While something is selected, Ctrl and a click on a card select or deselect one more.
    page.locator(".card:has(.select)").nth(3).locator(".card-link").click(
        modifiers=["Control"], position={"x": 90, "y": 90}
    )
    expect(page.locator("#selection")).to_contain_text("4 selected")
    expect(page.get_by_role("status").first).to_have_text("4 selected")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#selection")).to_be_hidden()


def test_a_selection_survives_a_swap_of_its_card(site, sign_in):
    page = sign_in(site, "ada")
    tick(page, 0, 1)
    uuid = page.locator(".card:has(.select)").first.get_attribute("id").removeprefix("generation-")
    site.python(
        "from videos.models import Generation, Member\n"
        f"print(Generation.objects.get(uuid={uuid!r}).choose('picked', Member.objects.get(username='ben')))"
    )
    expect(page.locator(f"#generation-{uuid}")).to_have_attribute("data-choice", "picked", timeout=8_000)
    expect(page.locator("#selection")).to_contain_text("2 selected")
    expect(page.locator(f"#generation-{uuid} .select")).to_be_checked()


def test_a_selection_is_compared_at_a_url_that_can_be_shared(site, sign_in):
    page = sign_in(site, "ada")
    uuids = [page.locator(".card:has(.select)").nth(n).get_attribute("id")[-36:] for n in (0, 1)]
    tick(page, 0, 1)
    page.locator("#selection").get_by_role("button", name="Compare").click()
    expect(page).to_have_url(f"{site.url}/compare/?v={uuids[0]}&v={uuids[1]}")


def test_a_selection_is_downloaded_as_one_archive(site, sign_in, tmp_path):
    page = sign_in(site, "ada")
    tick(page, 0, 1, 2)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download ZIP").click()
    download.value.save_as(tmp_path / "videos.zip")
    with zipfile.ZipFile(tmp_path / "videos.zip") as archive:
        assert len(archive.namelist()) == 3
        assert archive.testzip() is None


def test_a_selection_is_trashed_for_everyone_and_restored_by_one_undo(site, sign_in):
    ada, ben = sign_in(site, "ada"), sign_in(site, "ben")
    uuids = [ada.locator(".card:has(.select)").nth(n).get_attribute("id") for n in (0, 1)]
    tick(ada, 0, 1)
    ada.locator("#selection").get_by_role("button", name="Move to trash").click()
    for uuid in uuids:
        expect(ada.locator(f"#{uuid}")).to_have_count(0)
        expect(ben.locator(f"#{uuid}")).to_have_count(0, timeout=8_000)
    expect(ada.locator("#selection")).to_be_hidden()
    ada.locator(".toast").get_by_role("button", name="Undo").click()
    for uuid in uuids:
        expect(ada.locator(f"#{uuid}")).to_be_visible()
        expect(ben.locator(f"#{uuid}")).to_be_visible(timeout=8_000)


def test_a_selection_is_added_to_a_new_collection_that_filters_the_gallery(site, sign_in):
    page = sign_in(site, "ada")
    tick(page, 0, 2)
    page.get_by_role("button", name="Add to collection").click()
    page.get_by_label("New collection").fill("Client A")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("Added 2 videos to Client A.")
    page.goto(f"{site.url}/collections/")
    page.get_by_role("link", name="Client A").click()
    page.wait_for_url(re.compile("collection="))
    expect(page.locator(".card")).to_have_count(2)
    tick(page, 0)
    page.get_by_role("button", name="Add to collection").click()
    page.get_by_role("button", name="Remove from this collection").click()
    expect(page.locator(".card")).to_have_count(1)


def test_a_card_s_menu_shows_its_collections(site, sign_in):
    page = sign_in(site, "ada")
    card = page.locator(".card:has(.select)").nth(4)
    card.hover()
    card.get_by_role("link", name="More").click()
    menu = page.locator("#card-menu")
    expect(menu.get_by_text("Use prompt")).to_be_visible()
    menu.get_by_text("Collections", exact=True).click()
    menu.get_by_label("New collection").fill("Rain")
    menu.get_by_role("button", name="Add").click()
    expect(menu.get_by_role("checkbox", name="Rain")).to_be_checked()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(card.get_by_role("link", name="More")).to_be_focused()


def test_a_card_s_menu_stays_open_while_a_poll_swaps_its_card(site, sign_in):
    page = sign_in(site, "ada")
    card = page.locator(".card:has(.select)").nth(4)
    uuid = card.get_attribute("id").removeprefix("generation-")
    card.hover()
    card.get_by_role("link", name="More").click()
    menu = page.locator("#card-menu")
    expect(menu.get_by_text("Use prompt")).to_be_visible()
    page.wait_for_timeout(300)  # until it has come to rest
    place = menu.bounding_box()
    code = "from videos.models import Generation, Member\nrow = Generation.objects.get(uuid={!r})\nprint(row.{})"
    site.python(code.format(uuid, "choose('picked', Member.objects.get(username='ben'))"))
    expect(page.locator(f"#generation-{uuid}")).to_have_attribute("data-choice", "picked", timeout=8_000)
    # A hovered card is slightly larger.
    assert {name: pytest.approx(size, abs=6) for name, size in place.items()} == menu.bounding_box()
    menu.locator("summary").click()
    expect(menu.get_by_label("New collection")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(f"#generation-{uuid}").get_by_role("link", name="More")).to_be_focused()


def test_a_card_s_menu_closes_with_its_card(site, sign_in):
    ada, ben = sign_in(site, "ada"), sign_in(site, "ben")
    card = ben.locator(".card:has(.select)").nth(4)
    uuid = card.get_attribute("id")
    card.hover()
    card.get_by_role("link", name="More").click()
    expect(ben.locator("#card-menu").get_by_text("Use prompt")).to_be_visible()
    tick(ada, 4)
    ada.locator("#selection").get_by_role("button", name="Move to trash").click()
    expect(ben.locator(f"#{uuid}")).to_have_count(0, timeout=8_000)
    expect(ben.locator("#card-menu")).to_be_hidden()
    ada.locator(".toast").get_by_role("button", name="Undo").click()
    expect(ben.locator(f"#{uuid}")).to_be_visible(timeout=8_000)


def test_a_selection_works_without_javascript(site, sign_in):
    page = sign_in(site, "ben", java_script_enabled=False)
    for number in (0, 1):
        card = page.locator(".card:has(.select)").nth(number)
        card.hover()
        card.get_by_role("checkbox", name="Select").check()
    page.locator("#selection").get_by_role("button", name="Star").click()
    expect(page.get_by_text("Starred 2 videos.")).to_be_visible()
