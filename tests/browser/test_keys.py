"""Keys on every layout and with input methods, on a slow network, held, and in the fields of small forms."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from ..support.installation import Installation
from .many_videos import add_videos
from .studio import focus_card, hold_key, load_shortcuts, prompt_field, ready, record_writes, wait_for_answers

SHIFT = 8
SLOW = re.compile(r"/static/.*\.js$")
EARLY = ("/js/keys.", "/js/command-key.")  # block the page until they have run


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Installation]:
    """Start a separate installation with finished videos, which no other test changes."""
    site = Installation(tmp_path_factory.mktemp("layouts")).start()
    add_videos(site, 18, minutes=1)
    yield site
    site.stop()


@pytest.fixture
def page(site, sign_in) -> Page:
    page = sign_in(site, "ada")
    load_shortcuts(page)
    return page


def search(page: Page) -> Locator:
    return page.get_by_role("searchbox", name="Search videos")


def type_key(page: Page, key: str, code: str, *, shift: bool = False) -> None:
    """Press a key of any layout: it types `key`, and its position is `code`."""
    session = page.context.new_cdp_session(page)
    facts = {"key": key, "code": code, "modifiers": SHIFT if shift else 0}
    session.send("Input.dispatchKeyEvent", {"type": "keyDown", "text": key[:1], **facts})
    session.send("Input.dispatchKeyEvent", {"type": "keyUp", **facts})
    session.detach()


# ── A slow network ────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def without_scripts(page: Page, address: str) -> Iterator[None]:
    """Show the page while its scripts, except for those that block it, are delayed until the end of the block."""
    is_slow = True
    delayed: list[Route] = []

    def hold(route: Route) -> None:
        if is_slow and not any(name in route.request.url for name in EARLY):
            delayed.append(route)
        else:
            route.continue_()

    page.route(SLOW, hold)
    page.goto(address, wait_until="commit")
    expect(page.locator(".card").nth(6)).to_be_visible()
    yield
    is_slow = False
    for route in delayed:
        route.continue_()


def test_a_search_that_is_typed_before_the_scripts_arrive_runs_later(site, sign_in):
    page = sign_in(site, "ada", first_visit=True)
    with without_scripts(page, site.url):
        page.keyboard.press("/")
        expect(search(page)).to_be_focused()
        page.keyboard.type("fox")
        expect(search(page)).to_have_value("fox")
    page.wait_for_url(re.compile("q=fox"))
    expect(page.locator(".card").first).to_contain_text("fox")


def test_keys_before_the_scripts_act_in_order_on_the_card_that_had_the_focus(site, sign_in):
    page = sign_in(site, "ada", first_visit=True)
    with without_scripts(page, site.url):
        for number in (2, 4):
            focus_card(page, number)
            page.keyboard.press("x")
        page.locator(".card").nth(6).hover()
        page.locator("body").evaluate("() => document.activeElement.blur()")
        page.keyboard.press("x")
        page.mouse.move(5, 5)
        page.keyboard.press("g")
        page.keyboard.type("A prompt")
        page.get_by_role("radio", name="9:16").check(force=True)
        prompt_field(page).focus()
        scrolled = page.evaluate("scrollY")
    for number in (2, 4, 6):
        expect(page.locator(".card").nth(number).locator(".select")).to_be_checked()
    expect(page.locator(".select:checked")).to_have_count(3)
    expect(prompt_field(page)).to_have_value("A prompt")
    expect(prompt_field(page)).to_be_focused()
    expect(page.get_by_role("radio", name="9:16")).to_be_checked()
    assert page.evaluate("scrollY") == scrolled


def test_control_enter_before_the_scripts_requests_one_video(site, sign_in):
    page = sign_in(site, "ada", first_visit=True)
    sent = record_writes(page)
    with without_scripts(page, site.url):
        prompt_field(page).focus()
        page.keyboard.type("Before the scripts")
        for _ in range(3):
            page.keyboard.press("Control+Enter")
        assert sent == []
    card = page.locator(".card", has_text="Before the scripts")
    expect(card).to_have_count(1)
    assert [one for one in sent if one.endswith("/generations/")] == [f"{site.url}/generations/"]
    # The other tests act on finished videos.
    ready(page, card.get_attribute("id").removeprefix("generation-"))


def test_a_key_whose_script_did_not_arrive_works_at_the_next_press(site, sign_in):
    page = sign_in(site, "ada", first_visit=True)
    lost = re.compile(r"/js/keyboard-shortcuts\.[^/]*$")
    page.route(lost, lambda route: route.abort())
    # A movement of the pointer, which the browser may report after a load, loads the script too.
    with page.expect_event("requestfailed", lambda request: lost.search(request.url)):
        page.reload()
        page.keyboard.press("?")
    wait_for_answers(page)
    listed = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(listed).to_be_hidden()
    page.unroute(lost)
    page.keyboard.press("?")
    expect(listed).to_be_visible()


# ── Layouts ───────────────────────────────────────────────────────────────────────────────────────────────────

KEYS = [  # typed, position, with Shift, shortcut
    ("ч", "KeyX", False, "x"),  # Russian
    ("В", "KeyD", True, "D"),
    ("ю", "Period", False, "."),
    ("б", "Comma", False, ","),
    ("χ", "KeyX", False, "x"),  # Greek
    ("ק", "KeyE", False, "e"),  # Hebrew
    ("ת", "Comma", False, ","),
    ("ب", "KeyF", False, "f"),  # Arabic
    ("؟", "Slash", True, "?"),
    ("ㅌ", "KeyX", False, "x"),  # Korean
    ("と", "KeyS", False, "s"),  # Japanese kana
    ("x", "KeyB", False, "x"),  # Dvorak: Latin letters count, not their position
    ("q", "KeyX", False, "q"),
    ("a", "KeyQ", False, "a"),  # AZERTY
    (",", "KeyM", False, ","),
    ("é", "Digit2", False, "é"),
    ("?", "Minus", True, "?"),  # German
    ("ı", "KeyI", False, "ı"),  # Turkish
    ("X", "KeyX", False, "x"),  # Caps Lock
    ("Backspace", "Backspace", False, "Delete"),
]


def test_shortcuts_work_on_every_layout(site, page):
    page.evaluate(
        "() => { window.heard = []; document.addEventListener('shortcut', event => {"
        " heard.push(event.detail); event.stopImmediatePropagation(); }, true); }"
    )
    for key, code, shift, _ in KEYS:
        type_key(page, key, code, shift=shift)
    assert page.evaluate("window.heard") == [shortcut for *_, shortcut in KEYS]


def test_a_cyrillic_keyboard_selects_and_searches(site, page):
    card = focus_card(page, 1)
    type_key(page, "ч", "KeyX")
    expect(card.locator(".select")).to_be_checked()
    type_key(page, ".", "Slash")
    expect(search(page)).to_be_focused()
    expect(search(page)).to_have_value("")


# ── What the keys do ──────────────────────────────────────────────────────────────────────────────────────────


def test_backspace_moves_the_card_to_the_trash_once_and_not_while_typing(site, page):
    sent = record_writes(page)
    prompt_field(page).fill("Text")
    prompt_field(page).press("Backspace")
    expect(prompt_field(page)).to_have_value("Tex")
    prompt_field(page).fill("")
    prompt_field(page).press("Backspace")
    assert sent == []
    card = focus_card(page, 2)
    uuid = card.get_attribute("id")
    hold_key(page, "Backspace")
    expect(page.locator(f"#{uuid}")).to_have_count(0)
    assert len(sent) == 1
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(f"#{uuid}")).to_be_visible()


def test_p_picks_and_u_rejects_a_card_and_its_open_video(site, page):
    card = focus_card(page, 3)
    uuid = card.get_attribute("id")
    same = page.locator(f"#{uuid}")
    for key, choice in (("p", "picked"), ("u", "rejected"), ("u", None)):
        same.locator(".card-link").focus()
        with page.expect_response(lambda answer: answer.url.endswith("/choice/")) as answer:
            page.keyboard.press(key)
        assert answer.value.ok
        expect(same.locator(".badge[data-choice]")).to_have_count(1 if choice else 0)
        if choice:
            expect(same).to_have_attribute("data-choice", choice)
    same.locator(".card-link").focus()
    page.keyboard.press("i")
    dialog = page.locator("#video-dialog .video-page")
    expect(dialog).to_be_visible()
    page.keyboard.press("p")
    expect(dialog.get_by_role("button", name="Pick", exact=True)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("p")
    expect(dialog.get_by_role("button", name="Pick", exact=True)).to_have_attribute("aria-pressed", "false")


def test_c_compares_the_selected_videos_and_p_picks_the_one_under_the_pointer(site, page):
    focus_card(page, 0)
    page.keyboard.press("x")
    expect(page.locator("#selection")).to_contain_text("1 selected")
    page.keyboard.press("c")
    expect(page.locator(".toast")).to_contain_text("Two to four videos can be compared")
    focus_card(page, 1)
    page.keyboard.press("x")
    page.keyboard.press("c")
    page.wait_for_url(re.compile("/compare/"))
    load_shortcuts(page)
    lanes = page.locator(".lane")
    expect(lanes).to_have_count(2)
    page.keyboard.press("p")
    expect(page.locator('.verdict[data-choice="picked"]')).to_have_count(0)
    lanes.nth(1).hover()
    page.keyboard.press("p")
    expect(lanes.nth(1).locator(".verdict")).to_have_attribute("data-choice", "picked")
    expect(lanes.nth(0).locator(".verdict")).to_have_attribute("data-choice", "")
    page.keyboard.press("p")
    expect(lanes.nth(1).locator(".verdict")).to_have_attribute("data-choice", "")


def test_s_opens_the_links_of_a_card_s_video_and_of_the_open_video(site, page):
    focus_card(page, 1)
    page.keyboard.press("s")
    share = page.locator("#video-dialog #share")
    expect(share).to_be_visible()
    expect(share.get_by_role("button", name="Create link")).to_be_visible()
    page.keyboard.press("Escape")
    expect(share).to_be_hidden()
    expect(page.locator("#video-dialog .video-page")).to_be_visible()
    page.keyboard.press("s")
    expect(share).to_be_visible()


def test_keys_act_on_all_selected_videos(site, page):
    for number in (4, 5):
        focus_card(page, number)
        page.keyboard.press("x")
    focus_card(page, 0)
    with page.expect_response(lambda answer: answer.url.endswith("/selection/stars/")) as answer:
        page.keyboard.press("f")
    assert answer.value.ok
    expect(page.locator(".toast").first).to_contain_text("Starred 2 videos.")
    for number in (4, 5):
        focus_card(page, number)
        page.keyboard.press("x")
    ids = page.locator(".card:has(.select:checked)").evaluate_all("cards => cards.map(card => card.id)")
    page.keyboard.press("Delete")
    for uuid in ids:
        expect(page.locator(f"#{uuid}")).to_have_count(0)
    page.locator(".toast", has_text="Moved 2 videos").get_by_role("button", name="Undo").click()
    for uuid in ids:
        expect(page.locator(f"#{uuid}")).to_be_visible()


# ── Escape ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_escape_leaves_the_search_with_its_results_and_the_prompt_with_its_text(site, page):
    page.keyboard.press("/")
    page.keyboard.type("fox")
    page.wait_for_url(re.compile("q=fox"))
    expect(page.locator(".card", has_text="Paper boats")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(search(page)).not_to_be_focused()
    expect(search(page)).to_have_value("fox")
    expect(page).to_have_url(re.compile("q=fox"))
    page.keyboard.press("ArrowRight")
    expect(page.locator(".card .card-link").first).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("g")
    page.keyboard.type("A prompt")
    page.keyboard.press("Escape")
    expect(prompt_field(page)).not_to_be_focused()
    expect(prompt_field(page)).to_have_value("A prompt")
    # One thing at a time: the selection is still there.
    expect(page.locator(".select:checked")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".select:checked")).to_have_count(0)


def test_a_held_escape_closes_one_layer(site, page):
    focus_card(page, 1)
    page.keyboard.press("s")
    share, dialog = page.locator("#video-dialog #share"), page.locator("#video-dialog")
    expect(share).to_be_visible()
    hold_key(page, "Escape")
    expect(share).to_be_hidden()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_escape_closes_the_list_of_shortcuts_before_the_code_below_it(site, page):
    page.locator("#video-form").get_by_role("button", name="Code").click()
    code = page.locator("#request-code")
    expect(code).to_be_visible()
    page.keyboard.press("?")
    listed = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(listed).to_be_visible()
    page.keyboard.press("Escape")
    expect(listed).to_be_hidden()
    expect(code).to_be_visible()
    page.keyboard.press("Escape")
    expect(code).to_be_hidden()


# ── Input methods ─────────────────────────────────────────────────────────────────────────────────────────────

SAFARI = {"isComposing": False, "keyCode": 229}  # the key that ends a composition comes after its end
OTHERS = {"isComposing": True, "keyCode": 229}


def compose(page: Page, text: str) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
    session.detach()


def commit(page: Page, text: str) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Input.insertText", {"text": text})
    session.detach()


def reads(page: Page, path: str) -> list[str]:
    """Record the requests from now on for this path."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if f"{path}?" in request.url else None)
    return sent


@pytest.mark.parametrize("place", ["the search", "the frame picker"])
def test_a_search_waits_for_the_end_of_a_composition(site, page, place):
    field, path = search(page), f"{site.url}/"
    if place == "the frame picker":
        page.locator("#video-form .bar label").get_by_text("Frames", exact=True).click()
        page.get_by_role("link", name="Choose start frame from the gallery").click()
        dialog = page.get_by_role("dialog", name="Choose the start frame")
        field = dialog.get_by_role("searchbox")
        expect(field).to_be_focused()
        path = page.locator(".video-picker-search").evaluate("form => form.action")
    sent = reads(page, path)
    field.focus()
    # Text from before the composition must not start a search during it.
    page.keyboard.type("湖")
    for text in ("h", "hu", "hub", "湖泊"):
        compose(page, text)
        page.wait_for_timeout(120)
    page.wait_for_timeout(400)
    assert sent == []
    commit(page, "泊")
    expect(field).to_have_value("湖泊")
    with page.expect_response(lambda answer: answer.url.startswith(f"{path}?")):
        pass
    assert len(sent) == 1
    assert "%E6%B9%96%E6%B3%8A" in sent[0]


def test_no_handler_acts_on_keys_that_belong_to_a_composition(site, page):
    """Search, prompt, the selection's form and the shortcuts ignore Enter, arrows, Escape and letters."""
    sent = record_writes(page)
    page.evaluate(
        "() => { window.acted = []; for (const type of ['click', 'submit', 'shortcut'])"
        " document.addEventListener(type, ({target}) => acted.push(`${type} ${target.outerHTML.slice(0, 90)}`), true);"
        " }"
    )
    focus_card(page, 0).locator(".select").evaluate(
        "box => { box.checked = true; box.dispatchEvent(new Event('change')); }"
    )
    fields = [
        search(page),
        prompt_field(page),
        page.locator(".selection [name=name]"),
        page.locator(".card-link").nth(1),
    ]
    for field in fields:
        field.evaluate("field => field.focus({focusVisible: false})")
        for order in (SAFARI, OTHERS):
            for key in ("Enter", "ArrowDown", "ArrowUp", "Escape", "x", "g", "Delete", "Backspace"):
                modifiers = [{}, {"ctrlKey": True}] if key == "Enter" else [{}, {"altKey": True}]
                for held in modifiers:
                    facts = {"key": key, "bubbles": True, "cancelable": True, **order, **held}
                    assert field.evaluate(
                        "(field, facts) => field.dispatchEvent(new KeyboardEvent('keydown', facts))", facts
                    ), f"{key} is left to the input method"
    wait_for_answers(page)
    assert page.evaluate("window.acted") == []
    assert sent == []


# ── Small forms ───────────────────────────────────────────────────────────────────────────────────────────────


def test_enter_in_new_collection_makes_the_collection_of_the_selected_videos(site, page):
    for number in (0, 1):
        focus_card(page, number)
        page.keyboard.press("x")
    sent = record_writes(page)
    # Enter on a checkbox presses nothing.
    page.locator(".select:checked").first.press("Enter")
    page.get_by_role("button", name="Add to collection").click()
    name = page.locator("#selection-collection").get_by_label("New collection")
    name.fill("By Enter")
    with page.expect_response(lambda answer: "/selection/collections/" in answer.url) as answer:
        name.press("Enter")
    assert answer.value.ok
    assert sent == [f"{site.url}/selection/collections/"]
    expect(page.locator(".toast")).to_contain_text("Added 2 videos to By Enter.")
    expect(page.locator(".select:checked")).to_have_count(0)


def test_enter_in_new_collection_of_a_card_s_menu_makes_it_and_keeps_the_focus(site, page):
    card = page.locator(".card").nth(3)
    card.hover()
    card.get_by_role("link", name="More").click()
    menu = page.locator("#card-menu")
    menu.get_by_text("Collections", exact=True).click()
    for name in ("One by Enter", "Two by Enter"):
        menu.get_by_label("New collection").fill(name)
        page.keyboard.press("Enter")
        expect(menu.get_by_role("checkbox", name=name)).to_be_checked()
        expect(menu.get_by_label("New collection")).to_be_focused()
    expect(page.locator(".toast")).to_have_count(0)


def test_a_held_enter_creates_one_link_and_stars_once(site, page):
    star = focus_card(page, 5).locator(".star-button")
    was = star.get_attribute("aria-pressed")
    star.focus()
    sent = record_writes(page)
    hold_key(page, "Enter")
    assert len(sent) == 1
    expect(star).to_have_attribute("aria-pressed", "false" if was == "true" else "true")
    page.goto(f"{site.url}{page.locator('.card-link').nth(5).get_attribute('href')}shares/")
    create = page.get_by_role("button", name="Create link")
    sent = record_writes(page)
    create.focus()
    hold_key(page, "Enter")
    assert len(sent) == 1
