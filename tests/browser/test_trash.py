"""Trash, undo and permanent deletion, as two members see them."""

import pytest
from playwright.sync_api import expect

from .axe import NARROW, WIDE, violations
from .studio import card, cards


@pytest.fixture(scope="package")
def three(site) -> list[str]:
    """Create three finished videos of Ben's; return them newest first, as in the gallery."""
    visitor = site.visitor("ben")
    made = [visitor.submit(prompt=f"A lighthouse, wave {number}") for number in (1, 2, 3)]
    for uuid in made:
        visitor.wait_until_saved(uuid)
    return made[::-1]


def order(page, three) -> list[str]:
    return [uuid for uuid in cards(page) if uuid in three]


def test_trash_and_undo_are_seen_by_a_teammate(site, three, sign_in):
    ben, ada = sign_in(site, "ben"), sign_in(site, "ada")
    middle = three[1]
    for page in (ben, ada):
        expect(card(page, middle)).to_be_visible()
    card(ben, middle).hover()
    card(ben, middle).get_by_role("button", name="Move to trash").click()
    expect(card(ben, middle)).to_have_count(0, timeout=2_000)
    toast = ben.locator(".toast", has_text="Moved to the trash.")
    expect(toast).to_be_visible()
    expect(ben.locator("#announcer")).to_contain_text("Moved to the trash. Undo")
    expect(card(ada, middle)).to_have_count(0, timeout=6_000)

    toast.get_by_role("button", name="Undo").click()
    expect(toast).to_have_count(0, timeout=2_000)
    expect(card(ben, middle)).to_be_visible()
    expect(card(ada, middle)).to_be_visible(timeout=6_000)
    for page in (ben, ada):
        assert order(page, three) == three, "it is back where it was"
    # The restored card works: htmx handles its buttons, without loading a page.
    card(ben, middle).hover()
    card(ben, middle).get_by_role("link", name="Reuse").click()
    expect(ben.locator("#video-form #prompt")).to_have_value("A lighthouse, wave 2")
    assert ben.url == f"{site.url}/"


def test_the_undo_is_offered_for_ten_seconds_and_the_trash_for_thirty_days(site, three, sign_in):
    ben = sign_in(site, "ben")
    newest = three[0]
    expect(card(ben, newest)).to_be_visible()
    card(ben, newest).hover()
    card(ben, newest).get_by_role("button", name="Move to trash").click()
    toast = ben.locator(".toast")
    ben.mouse.move(700, 5)
    ben.wait_for_timeout(7_000)
    expect(toast).to_be_visible()
    expect(toast).to_have_count(0, timeout=6_000)

    ben.get_by_role("button", name="Account of ben").click()
    ben.get_by_role("link", name="Trash").click()
    expect(card(ben, newest)).to_be_visible()
    assert card(ben, newest).locator("img").evaluate("img => img.decode().then(() => img.naturalWidth)") > 0
    card(ben, newest).get_by_role("button", name="Restore").click()
    expect(card(ben, newest)).to_have_count(0)
    expect(ben.get_by_role("heading", name="The trash is empty")).to_be_visible()
    ben.goto(site.url)
    assert order(ben, three) == three


def test_a_teammate_s_page_says_that_the_video_was_trashed(site, three, sign_in):
    ben, ada = sign_in(site, "ben"), sign_in(site, "ada")
    path = f"{site.url}/generations/{three[2]}/"
    for page in (ben, ada):
        page.goto(path)
    ben.get_by_role("button", name="Move to trash").click()
    ben.wait_for_url(f"{site.url}/")
    expect(ada.get_by_role("heading", name="In the trash")).to_be_visible(timeout=6_000)
    ben.locator(".notes").get_by_role("button", name="Undo").click()
    ben.wait_for_url(path)
    expect(ada.locator("video")).to_be_visible(timeout=6_000)


@pytest.mark.parametrize("javascript", [True, False], ids=["with-js", "without-js"])
def test_permanent_deletion_asks_first(site, sign_in, javascript):
    visitor = site.visitor("ben")
    uuid = visitor.submit(prompt=f"A sandcastle {javascript}")
    visitor.wait_until_saved(uuid)
    visitor.post(f"/generations/{uuid}/trash/")
    ben = sign_in(site, "ben", java_script_enabled=javascript)
    ben.goto(f"{site.url}/trash/")
    thrown = card(ben, uuid)
    opener = thrown.get_by_role("button", name="Delete permanently").first
    opener.click()
    sure = ben.get_by_role("alertdialog")
    expect(sure).to_contain_text("A sandcastle")
    expect(sure.get_by_role("button", name="Cancel")).to_be_focused()
    ben.keyboard.press("Escape")
    expect(sure).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    sure.get_by_role("button", name="Delete permanently").click()
    expect(card(ben, uuid)).to_have_count(0)
    assert visitor.http.get(f"/generations/{uuid}/video").status_code == 404
    assert "Deleted permanently" in visitor.http.get(f"/generations/{uuid}/").text


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_the_trash_has_no_axe_violation(site, three, sign_in, scheme, viewport):
    page = sign_in(site, "ada", color_scheme=scheme, viewport=viewport)
    visitor = site.visitor("ben")
    found = {}
    page.goto(f"{site.url}/trash/")
    found["empty"] = violations(page)
    visitor.post(f"/generations/{three[0]}/trash/")
    page.goto(f"{site.url}/trash/")
    expect(card(page, three[0])).to_be_visible()
    found["trash"] = violations(page)
    page.get_by_role("button", name="Delete permanently").first.click()
    found["sure"] = violations(page)
    page.goto(f"{site.url}/generations/{three[0]}/")
    found["gone"] = violations(page)
    visitor.post(f"/generations/{three[0]}/restoration/")
    page.goto(site.url)
    card(page, three[0]).hover()
    card(page, three[0]).get_by_role("button", name="Move to trash").click()
    expect(page.locator(".toast")).to_be_visible()
    found["toast"] = violations(page)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(card(page, three[0])).to_be_visible()
    assert {name: ones for name, ones in found.items() if ones} == {}
