"""Every shortcut acts on the current card as documented, and none acts while typing."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from ..support.installation import Installation
from .many_videos import add_videos
from .studio import focus_card, load_shortcuts, prompt_field, record_writes, wait_for_answers

pytestmark = pytest.mark.motion

KEYS = [
    "/",
    "G",
    "Ctrl K",
    "Ctrl Enter",
    "Alt ↑ ↓",
    "Esc",
    "?",
    "← → ↑ ↓",
    "Space",
    "X",
    "F",
    "I",
    "E",
    "R",
    "Shift D",
    "Del Backspace",
    ", .",
    "P",
    "U",
    "C",
    "S",
]

BOXES = """cards => cards.map(card => {
    const {left, right, top, bottom} = card.getBoundingClientRect();
    return {id: card.id, middle: (left + right) / 2, top, bottom};
})"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Start a separate installation with several rows of cards, which no other test changes."""
    site = Installation(tmp_path_factory.mktemp("keys")).start()
    add_videos(site, 18, minutes=1)
    yield site
    site.stop()


@pytest.fixture
def page(site, sign_in) -> Page:
    page = sign_in(site, "ada")
    load_shortcuts(page)
    return page


def words(card: Locator) -> str:
    return card.locator(".caption p").inner_text()


def watch(page: Page) -> None:
    """Record all clicks from now on, including those that shortcuts dispatch."""
    page.evaluate(
        "() => { window.pressed = [];"
        " addEventListener('click', ({target}) => window.pressed.push(target.outerHTML.slice(0, 120)), true); }"
    )


def pressed(page: Page) -> list[str]:
    return page.evaluate("window.pressed")


def test_slash_focuses_the_search_and_selects_its_text(site, page):
    search = page.get_by_role("searchbox", name="Search videos")
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("fox")
    expect(search).to_have_value("fox")
    page.wait_for_url(re.compile("q=fox"))
    page.locator("body").evaluate("() => document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.type("rain")
    expect(search).to_have_value("rain")


def test_g_focuses_the_prompt_and_types_nothing(site, page):
    page.keyboard.press("g")
    expect(prompt_field(page)).to_be_focused()
    expect(prompt_field(page)).to_have_value("")


def test_g_opens_the_sheet_of_a_phone(site, sign_in):
    page = sign_in(site, "ada", viewport={"width": 390, "height": 844})
    load_shortcuts(page)
    expect(prompt_field(page)).not_to_be_in_viewport()
    page.keyboard.press("g")
    expect(prompt_field(page)).to_be_in_viewport()
    expect(prompt_field(page)).to_be_focused()


def test_the_first_key_of_a_visit_works(site, sign_in):
    page = sign_in(site, "ada", first_visit=True)
    page.goto(site.url)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def test_left_and_right_follow_the_order_of_the_gallery(site, page):
    cards = page.locator(".card")
    page.keyboard.press("ArrowRight")
    expect(cards.first.locator(".card-link")).to_be_focused()
    for number in (1, 2, 3):
        page.keyboard.press("ArrowRight")
        expect(cards.nth(number).locator(".card-link")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(cards.nth(2).locator(".card-link")).to_be_focused()
    focus_card(page, 0)
    page.keyboard.press("ArrowLeft")
    expect(cards.first.locator(".card-link")).to_be_focused()


def test_up_and_down_focus_the_nearest_card_of_the_next_row(site, page):
    boxes = page.locator(".card").evaluate_all(BOXES)
    tops = sorted({round(box["top"]) for box in boxes})
    assert len(tops) > 2, "the gallery has several rows"
    here = boxes[1]
    below = [box for box in boxes if box["top"] >= here["bottom"] - 1]
    edge = min(box["top"] for box in below)
    row = [box for box in below if box["top"] - edge < 24]
    nearest = min(row, key=lambda box: abs(box["middle"] - here["middle"]))
    focus_card(page, 1)
    page.keyboard.press("ArrowDown")
    expect(page.locator(f"#{nearest['id']} .card-link")).to_be_focused()
    page.keyboard.press("ArrowUp")
    focused = page.evaluate("() => document.activeElement.closest('.card').id")
    assert next(box["top"] for box in boxes if box["id"] == focused) == pytest.approx(here["top"], abs=24)


def test_space_plays_and_stops_the_card_without_scrolling(site, page):
    card = focus_card(page, 0)
    playing = card.locator("video-preview video")
    # Focus starts playback too, so the first key press stops it.
    expect(playing).to_have_count(1)
    page.keyboard.press(" ")
    expect(playing).to_have_count(0)
    page.keyboard.press(" ")
    expect(playing).to_have_count(1)
    page.wait_for_function("() => document.querySelector('video-preview video')?.currentTime > 0")
    page.keyboard.press(" ")
    expect(playing).to_have_count(0)
    assert page.evaluate("scrollY") == 0


def test_space_plays_and_pauses_the_open_video(site, page):
    focus_card(page, 0)
    page.keyboard.press("i")
    film = page.locator("#video-dialog video-player video")
    expect(film).to_be_visible()
    page.wait_for_function("() => document.querySelector('#video-dialog video').paused === false")
    page.keyboard.press("Tab")
    page.locator("#video-dialog h1").evaluate("() => document.activeElement.blur()")
    page.keyboard.press(" ")
    page.wait_for_function("() => document.querySelector('#video-dialog video').paused")
    page.keyboard.press(" ")
    page.wait_for_function("() => document.querySelector('#video-dialog video').paused === false")


def test_x_selects_and_escape_clears(site, page):
    bar = page.locator("#selection")
    for number in (0, 2):
        card = focus_card(page, number)
        page.keyboard.press("x")
        expect(card.locator(".select")).to_be_checked()
    expect(bar).to_contain_text("2 selected")
    page.keyboard.press("x")
    expect(bar).to_contain_text("1 selected")
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    expect(page.locator(".card .select:checked")).to_have_count(0)


def test_f_adds_and_removes_the_star(site, page):
    star = focus_card(page, 3).locator(".star-button")
    for pressed in ("true", "false"):
        focus_card(page, 3)
        with page.expect_response(lambda answer: answer.url.endswith("/star/")) as answer:
            page.keyboard.press("f")
        assert answer.value.ok
        expect(star).to_have_attribute("aria-pressed", pressed)
        page.reload()
        load_shortcuts(page)
        expect(star).to_have_attribute("aria-pressed", pressed)


def test_i_shows_and_hides_the_details(site, page):
    uuid = focus_card(page, 1).get_attribute("id").removeprefix("generation-")
    page.keyboard.press("i")
    facts = page.locator(f"#video-dialog #facts-{uuid} dl")
    expect(facts).to_be_visible()
    expect(page).to_have_url(re.compile(f"/generations/{uuid}/"))
    page.keyboard.press("i")
    expect(facts).to_be_hidden()
    page.keyboard.press("i")
    expect(facts).to_be_visible()


def test_e_fills_the_form_to_extend_the_card(site, page):
    card = focus_card(page, 2)
    page.keyboard.press("e")
    expect(page.locator("#video-form .source")).to_contain_text(words(card))
    expect(page.get_by_role("radio", name="Extend")).to_be_checked()
    expect(prompt_field(page)).to_be_focused()


def test_r_puts_the_card_s_settings_into_the_form_and_offers_undo(site, page):
    prompt_field(page).fill("My draft")
    card = focus_card(page, 1)
    page.keyboard.press("r")
    expect(prompt_field(page)).to_have_value(words(card))
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(prompt_field(page)).to_have_value("My draft")


def test_shift_d_downloads_the_card_s_video_and_d_alone_nothing(site, page, tmp_path):
    uuid = focus_card(page, 1).get_attribute("id").removeprefix("generation-")
    watch(page)
    page.keyboard.press("d")
    assert pressed(page) == []
    with page.expect_download() as download:
        page.keyboard.press("Shift+D")
    assert download.value.suggested_filename.endswith(".mp4")
    assert f"/generations/{uuid}/video" in download.value.url
    download.value.save_as(tmp_path / "film.mp4")
    kept = site.visitor().http.get(f"/generations/{uuid}/video").content
    assert (tmp_path / "film.mp4").read_bytes() == kept


def test_delete_moves_the_card_to_the_trash_and_undo_brings_it_back(site, page):
    uuid = focus_card(page, 2).get_attribute("id")
    after = page.locator(".card").nth(3).get_attribute("id")
    page.keyboard.press("Delete")
    expect(page.locator(f"#{uuid}")).to_have_count(0)
    expect(page.locator(f"#{after} .card-link")).to_be_focused()
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".card").nth(2)).to_have_attribute("id", uuid)


def test_a_question_mark_lists_all_shortcuts_and_disables_the_others(site, page):
    card = focus_card(page, 0)
    page.keyboard.press("?")
    listed = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(listed).to_be_visible()
    found = listed.locator("dd").evaluate_all(
        "all => all.map(one => [...one.querySelectorAll('kbd')].map(key => key.textContent).join(' '))"
    )
    assert sorted(found) == sorted(KEYS)
    for key in "xgfie":
        page.keyboard.press(key)
    wait_for_answers(page)
    expect(listed).to_be_visible()
    expect(card.locator(".select")).not_to_be_checked()
    page.keyboard.press("Escape")
    expect(listed).to_be_hidden()
    expect(card.locator(".card-link")).to_be_focused()


def test_shortcuts_act_on_the_card_under_the_pointer_without_a_focused_card(site, page):
    card = page.locator(".card").nth(2)
    card.hover()
    page.keyboard.press("x")
    expect(card.locator(".select")).to_be_checked()
    # The focused card wins over the hovered one.
    other = focus_card(page, 0)
    page.keyboard.press("x")
    expect(other.locator(".select")).to_be_checked()
    expect(card.locator(".select")).to_be_checked()


@pytest.mark.parametrize("place", ["the prompt", "the search", "a link's field"])
def test_no_shortcut_acts_while_typing(site, page, place):
    field = prompt_field(page)
    if place == "the search":
        field = page.get_by_role("searchbox", name="Search videos")
    elif place == "a link's field":
        page.locator("#video-form .bar label").get_by_text("Frames", exact=True).click()
        field = page.get_by_label("Link to start frame")
    # Its keys would apply to the card under the pointer.
    card = page.locator(".card").nth(1)
    count = page.locator(".card").count()
    card.hover()
    field.focus()
    sent = record_writes(page)
    watch(page)
    for key in "/gxfier?D ":
        page.keyboard.press("Shift+D" if key == "D" else key)
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Delete"):
        page.keyboard.press(key)
    wait_for_answers(page)
    expect(field).to_be_focused()
    assert sorted(field.input_value().strip()) == sorted("/gxfier?D")
    assert page.get_by_role("dialog").count() == 0
    expect(page.locator(".select:checked")).to_have_count(0)
    expect(page.locator("#video-form .source")).to_have_count(0)
    if place == "the prompt":
        page.keyboard.press("Escape")
        expect(page.locator(".card")).to_have_count(count)
    assert (sent, pressed(page)) == ([], [])


def test_keys_with_control_alt_or_meta_are_left_to_the_browser(site, page):
    card = focus_card(page, 0)
    watch(page)
    for held in ("Control", "Alt", "Meta"):
        for key in ("x", "f", "e", "Delete"):
            page.keyboard.down(held)
            page.keyboard.press(key)
            page.keyboard.up(held)
    wait_for_answers(page)
    expect(card.locator(".select")).not_to_be_checked()
    expect(page.locator("#video-form .source")).to_have_count(0)
    assert pressed(page) == []
