"""The command menu opens by Ctrl+K or ⌘K on every page, finds names in any script, and loses no key."""

import re

import pytest
from playwright.sync_api import Page, expect

from .axe import NARROW, WIDE, violations

NAMES = ("Été à Paris", "Łódź nights", "雪山", "مشروع البحر")


@pytest.fixture(scope="module")
def collections(site) -> dict[str, str]:
    """Create collections and return their uuids by name."""
    code = (
        "from videos.models import Collection, Member\n"
        "ada = Member.objects.get(username='ada')\n"
        f"for name in {NAMES!r}: print(Collection.objects.named(name, ada)[0].uuid)"
    )
    return dict(zip(NAMES, site.python(code).split(), strict=True))


def menu(page: Page):
    return page.get_by_role("dialog", name="Command menu")


def field(page: Page):
    return menu(page).get_by_role("combobox")


def options(page: Page):
    return menu(page).get_by_role("option")


def active(page: Page):
    return menu(page).locator("[role=option][aria-selected=true]")


def opened(page: Page, keys: str = "Control+k") -> None:
    page.keyboard.press(keys)
    expect(options(page).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_the_menu_finds_names_and_leads_there(site, collections, sign_in, scheme, viewport):
    page = sign_in(site, "ada", color_scheme=scheme, viewport=viewport)
    if viewport is NARROW:
        page.get_by_role("button", name="Account of ada").click()
        page.get_by_role("link", name="Go to…").click()
        expect(options(page).first).to_be_visible()
    else:
        opened(page)
    expect(field(page)).to_be_focused()
    assert not violations(page)
    expect(active(page)).to_have_text("New video")
    assert field(page).get_attribute("aria-activedescendant") == active(page).get_attribute("id")
    for typed, name in (("ete par", "Été à Paris"), ("LODZ", "Łódź nights"), ("雪", "雪山"), ("البحر", "مشروع البحر")):
        field(page).fill(typed)
        expect(active(page)).to_contain_text(name)
    for typed, name in (("stg mail", "Mail"), ("hlth", "Health"), ("bin", "Trash"), ("ben", "ben")):
        field(page).fill(typed)
        expect(active(page)).to_contain_text(name)
    field(page).fill("no such thing")
    expect(options(page)).to_have_count(1)
    expect(active(page)).to_have_text("Search videos for no such thing")
    assert not violations(page)
    field(page).fill("ete")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}/?collection={collections['Été à Paris']}")


def test_keys_move_choose_and_close(site, collections, sign_in):
    page = sign_in(site, "ada")
    card = page.get_by_role("button", name="Account of ada")
    card.focus()
    opened(page)
    last = options(page).count() - 1
    page.keyboard.press("ArrowUp")
    expect(options(page).nth(last)).to_have_attribute("aria-selected", "true")
    expect(options(page).nth(last)).to_be_in_viewport()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(active(page)).to_have_text("Extend a video")
    page.keyboard.press("End")
    expect(options(page).nth(last)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Home")
    expect(active(page)).to_have_text("New video")
    page.keyboard.press("Escape")
    expect(menu(page)).to_have_count(0)
    expect(card).to_be_focused()
    # The same key closes it.
    opened(page, "Meta+k")
    page.keyboard.press("Control+k")
    expect(menu(page)).to_have_count(0)
    # A shortcut of the page does nothing behind it, and Ctrl+Shift+K or a plain K opens nothing.
    opened(page)
    page.keyboard.type("?x")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_have_count(0)
    page.keyboard.press("Escape")
    for keys in ("k", "Control+Shift+k", "Control+Alt+k"):
        page.keyboard.press(keys)
        expect(menu(page)).to_have_count(0)


def test_actions_start_a_video_an_extension_and_a_theme(site, shown, sign_in):
    page = sign_in(site, "ada")
    opened(page)
    page.keyboard.type("new vid")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Prompt", exact=True)).to_be_focused()
    # Also from a field.
    opened(page)
    page.keyboard.type("light")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    opened(page)
    page.keyboard.type("system theme")
    page.keyboard.press("Enter")
    expect(page.locator("html:not([data-theme])")).to_be_attached()
    opened(page)
    page.keyboard.type("shortcuts")
    page.keyboard.press("Enter")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys).to_contain_text("Go to a page, member or collection")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    # From another page it leads to the studio.
    page.goto(f"{site.url}/usage/")
    opened(page)
    page.keyboard.type("new video")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/#new$"))
    expect(page.get_by_label("Prompt", exact=True)).to_be_focused()
    # The extension starts with the choice of a video, also from the dialog of one.
    page.locator(f"#generation-{shown['ready']} .card-link").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#video-dialog")).to_be_visible()
    opened(page)
    page.keyboard.type("extend")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Choose a video to extend")).to_be_visible()
    expect(page.locator("#video-dialog")).to_be_hidden()


def test_text_and_enter_while_the_script_loads_are_not_lost(site, sign_in):
    page = sign_in(site, "ada", first_visit=True)
    delayed = []
    page.route(re.compile(r"/command-menu[^/]*\.js$"), lambda route: delayed.append(route))
    with page.expect_request(re.compile(r"/command-menu[^/]*\.js$")):
        page.keyboard.press("Control+k")
    page.keyboard.type("trash")
    page.keyboard.press("Enter")
    for route in delayed:
        route.continue_()
    expect(page).to_have_url(f"{site.url}/trash/")


def test_a_list_that_failed_to_load_says_so_and_enter_loads_it_again(site, sign_in):
    page = sign_in(site, "ada")
    page.route("**/commands/", lambda route: route.abort())
    page.keyboard.press("Control+k")
    expect(menu(page)).to_contain_text("could not be loaded")
    page.unroute("**/commands/")
    page.keyboard.press("Enter")
    expect(options(page).first).to_be_visible()
    expect(page).to_have_url(f"{site.url}/")


def test_the_position_of_the_key_counts_on_keyboards_without_latin_letters(site, sign_in):
    page = sign_in(site, "ada")
    press = """init => dispatchEvent(new KeyboardEvent("keydown", {bubbles: true, cancelable: true, ...init}))"""
    page.evaluate(press, {"key": "т", "code": "KeyT", "ctrlKey": True})
    page.evaluate(press, {"key": "v", "code": "KeyK", "ctrlKey": True})  # a Latin keyboard whose K is elsewhere
    page.evaluate(press, {"key": "k", "code": "KeyK", "ctrlKey": True, "isComposing": True})
    expect(page.locator("#commands")).to_have_count(0)
    page.evaluate(press, {"key": "л", "code": "KeyK", "ctrlKey": True})
    expect(options(page).first).to_be_visible()


def test_nothing_is_chosen_or_searched_while_composing(site, collections, sign_in):
    page = sign_in(site, "ada")
    opened(page)
    session = page.context.new_cdp_session(page)
    before = options(page).count()
    session.send("Input.imeSetComposition", {"text": "xue", "selectionStart": 3, "selectionEnd": 3})
    expect(field(page)).to_have_value("xue")
    field(page).evaluate(
        """field => field.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", keyCode: 229, bubbles: true}))"""
    )
    assert options(page).count() == before
    expect(page).to_have_url(f"{site.url}/")
    session.send("Input.insertText", {"text": "雪"})
    expect(active(page)).to_contain_text("雪山")


def test_a_command_for_a_deleted_collection_says_that_it_was_deleted(site, sign_in):
    page = sign_in(site, "ada")
    make = "from videos.models import Collection, Member\nada = Member.objects.get(username='ada')\n"
    site.python(make + "Collection.objects.named('Short-lived', ada)")
    opened(page)
    site.python("from videos.models import Collection\nCollection.objects.filter(name='Short-lived').delete()")
    page.keyboard.type("short-lived")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This collection was deleted.")).to_be_visible()


def test_members_do_not_see_pages_for_admins_and_without_javascript_there_is_a_page(site, sign_in):
    page = sign_in(site, "ben", java_script_enabled=False, first_visit=True)
    page.get_by_role("button", name="Account of ben").click()
    page.get_by_role("link", name="Go to…").click()
    expect(page.get_by_role("heading", name="Go to", exact=True)).to_be_visible()
    main = page.get_by_role("main")
    expect(main.get_by_role("link", name="Health")).to_have_count(0)
    expect(main.get_by_role("link", name="Dark theme")).to_have_count(0)
    main.get_by_role("link", name="Trash").click()
    expect(page).to_have_url(f"{site.url}/trash/")
