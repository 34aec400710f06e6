"""A held key, a double click, an input method or a second tab pays once, on every paid control."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from ..support.installation import Installation
from .axe import violations
from .studio import KEYDOWNS, card, hold_key, press, prompt_field, wait_for_answers

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Installation]:
    """Start a separate installation without workers, so that videos stay queued during a test."""
    site = Installation(tmp_path_factory.mktemp("intention")).start(only=("web",))
    site.add_member("ben")
    yield site
    site.stop()


def paid(page: Page) -> list[str]:
    """Record the paid requests from now on."""
    sent: list[str] = []
    page.on(
        "request",
        lambda request: (
            sent.append(request.url)
            if request.method == "POST" and re.search(r"/generations/$|/retries/$", request.url)
            else None
        ),
    )
    return sent


def made(page: Page, site: Installation, words: str) -> int:
    """Return the server's count of videos with this prompt."""
    page.goto(site.url)
    return page.locator(".card", has_text=words).count()


def generate_button(page: Page) -> Locator:
    return page.locator("#video-form .video-form-foot > [type=submit]")


def in_prompt(modifier: str) -> Callable[[Page], None]:
    def held(page: Page) -> None:
        prompt_field(page).focus()
        page.keyboard.down(modifier)
        hold_key(page, "Enter")
        page.keyboard.up(modifier)

    return held


def on_button(key: str) -> Callable[[Page], None]:
    def held(page: Page) -> None:
        generate_button(page).focus()
        hold_key(page, key)

    return held


def in_field(page: Page) -> None:
    page.locator(".more > summary").click()
    page.get_by_label("Timeout").focus()
    hold_key(page, "Enter")


def on_choice(page: Page) -> None:
    page.get_by_role("radio", name="16:9").focus()
    hold_key(page, "Enter")


HELD = {
    "control and enter": in_prompt("Control"),
    "command and enter": in_prompt("Meta"),
    "enter on the button": on_button("Enter"),
    "the numeric pad's enter": on_button("NumpadEnter"),
    "space on the button": on_button("Space"),
    "enter in a field": in_field,
    "enter on a choice": on_choice,
}


@pytest.mark.parametrize("how", HELD)
def test_a_held_key_requests_one_video(site, sign_in, how):
    page = sign_in(site, "ada")
    words = f"One by {how}"
    prompt_field(page).fill(words)
    sent = paid(page)
    HELD[how](page)
    expect(page.locator(".card", has_text=words)).to_have_count(1)
    assert (len(sent), made(page, site, words)) == (1, 1)


@pytest.mark.parametrize("how", ["control and enter", "enter on the button", "space on the button", "enter in a field"])
def test_a_repeated_request_is_stopped_by_the_server_and_links_to_the_first(site, sign_in, how):
    """A new press after a held key counts, and the server recognises the equal request."""
    page = sign_in(site, "ada")
    tabs = len(page.context.pages)
    words = f"Twice by {how}"
    prompt_field(page).fill(words)
    sent = paid(page)
    HELD[how](page)
    expect(page.locator(".card", has_text=words)).to_have_count(1)
    if how == "enter in a field":
        page.locator(".more > summary").click()
    HELD[how](page)
    again = page.locator(".existing")
    expect(again).to_contain_text("Already requested")
    link = again.get_by_role("link", name="View this video")
    expect(link).to_be_focused()
    uuid = page.locator(".card", has_text=words).get_attribute("id").removeprefix("generation-")
    expect(link).to_have_attribute("href", f"/generations/{uuid}/")
    assert page.url.rstrip("/") == site.url, "the repeats have not followed the link"
    assert (len(sent), made(page, site, words), len(page.context.pages)) == (2, 1, tabs)


def test_a_held_make_another_creates_one_video(site, sign_in):
    page = sign_in(site, "ada")
    words = "A second one on purpose"
    prompt_field(page).fill(words)
    press(page, "Generate")
    generate_button(page).click()
    expect(page.locator(".existing").get_by_role("link", name="View this video")).to_be_focused()
    another = page.get_by_role("button", name="Make another")
    another.focus()
    sent = paid(page)
    hold_key(page, "Enter")
    expect(another).to_have_count(0)
    expect(page.locator(".card", has_text=words)).to_have_count(2)
    assert (len(sent), made(page, site, words)) == (1, 2)


def test_a_button_from_a_response_can_be_pressed_at_once(site, sign_in):
    page = sign_in(site, "ada")
    words = "Pressed before htmx has settled"
    prompt_field(page).fill(words)
    press(page, "Generate")
    sent = paid(page)
    page.evaluate(
        """() => new MutationObserver((_, observer) => {
            const another = document.querySelector("button[name=again]");
            if (!another) return;
            observer.disconnect();
            another.click();
        }).observe(document.body, { childList: true, subtree: true })"""
    )
    generate_button(page).click()
    expect(page.locator(".card", has_text=words)).to_have_count(2)
    assert (len(sent), made(page, site, words)) == (2, 2)


def test_a_double_click_across_a_response_is_one_press(site, sign_in):
    page = sign_in(site, "ada")
    sent = paid(page)
    words = "By a double click"
    prompt_field(page).fill(words)
    box = generate_button(page).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for click in (1, 2):
        page.mouse.down(click_count=click)
        page.mouse.up(click_count=click)
        wait_for_answers(page)
    expect(page.locator(".card", has_text=words)).to_have_count(1)
    assert (len(sent), made(page, site, words)) == (1, 1)


def test_a_double_tap_requests_one_video(site, sign_in):
    """On a tablet the form stays in place, so the second tap hits the button again."""
    page = sign_in(site, "ben", has_touch=True)
    # Set the events' timestamps: on a busy machine a double tap would count as two presses, and on an idle one all
    # three taps as a triple tap. Most touch screens count every tap as the first.
    page.evaluate("() => Object.defineProperty(Event.prototype, 'timeStamp', {get: () => window.at})")
    page.evaluate("() => Object.defineProperty(UIEvent.prototype, 'detail', {get: () => 1})")
    sent = paid(page)
    words = "By a double tap"
    prompt_field(page).fill(words)
    for at, presses in ((1000, 1), (1300, 1), (3000, 2)):
        page.evaluate("at => { window.at = at; }", at)
        generate_button(page).tap()
        wait_for_answers(page)
        assert len(sent) == presses
    expect(page.locator(".existing")).to_contain_text("Already requested")
    assert made(page, site, words) == 1


def test_a_held_key_in_the_phone_s_sheet_requests_one_video(site, sign_in):
    page = sign_in(site, "ada", viewport=PHONE)
    page.get_by_role("link", name="New video").click()
    words = "From the sheet"
    prompt_field(page).fill(words)
    sent = paid(page)
    in_prompt("Control")(page)
    expect(page.locator(".card", has_text=words)).to_have_count(1)
    assert (len(sent), made(page, site, words)) == (1, 1)


def test_a_held_enter_still_inserts_line_breaks_in_the_prompt(site, sign_in):
    page = sign_in(site, "ada")
    sent = paid(page)
    prompt_field(page).fill("One line")
    prompt_field(page).press("End")
    hold_key(page, "Enter")
    expect(prompt_field(page)).to_have_value("One line" + "\n" * KEYDOWNS)
    assert sent == []


def test_composing_with_an_input_method_requests_nothing(site, sign_in):
    page = sign_in(site, "ada")
    sent = paid(page)
    prompt_field(page).focus()
    method = page.context.new_cdp_session(page)
    method.send("Input.imeSetComposition", {"text": "にじ", "selectionStart": 2, "selectionEnd": 2})
    page.evaluate("() => document.addEventListener('keydown', event => window.heard = event.isComposing, true)")
    page.keyboard.down("Control")
    page.keyboard.press("Enter")
    page.keyboard.up("Control")
    wait_for_answers(page)
    assert page.evaluate("window.heard"), "the key came while the text was composed"
    assert sent == []
    method.send("Input.insertText", {"text": "虹"})
    expect(prompt_field(page)).to_have_value("虹")
    # The Enter that ends a composition: elsewhere with the key code of an input method, in Safari after the end.
    for facts in ({"isComposing": True, "keyCode": 13}, {"isComposing": False, "keyCode": 229}):
        prompt_field(page).dispatch_event("keydown", {"key": "Enter", "ctrlKey": True, "bubbles": True, **facts})
    wait_for_answers(page)
    assert sent == []
    page.keyboard.press("Control+Enter")
    expect(page.locator(".card", has_text="虹")).to_have_count(1)
    assert len(sent) == 1


PLACES = {
    "the card": lambda page, site, uuid: card(page, uuid).get_by_role("button", name="Retry"),
    "the dialog": lambda page, site, uuid: opened(page, uuid).get_by_role("button", name="Retry"),
    "its page": lambda page, site, uuid: alone(page, site, uuid).get_by_role("button", name="Retry"),
}


def opened(page: Page, uuid: str) -> Locator:
    card(page, uuid).locator(".card-prompt a").click()
    return page.locator("#video-dialog[open] .video-page")


def alone(page: Page, site: Installation, uuid: str) -> Locator:
    page.goto(f"{site.url}/generations/{uuid}/")
    return page.locator(".video-page")


@pytest.mark.parametrize("key", ["Enter", "Space"])
@pytest.mark.parametrize("place", PLACES)
def test_a_held_retry_creates_one_video(site, sign_in, place, key):
    visitor = site.visitor()
    words = f"On {place} by {key}"
    uuid = visitor.submit(prompt=words)
    visitor.post(f"/generations/{uuid}/cancellation/")
    page = sign_in(site, "ada")
    expect(card(page, uuid)).to_have_attribute("data-state", "canceled")
    retry = PLACES[place](page, site, uuid)
    sent = paid(page)
    retry.focus()
    hold_key(page, key)
    assert (len(sent), made(page, site, words)) == (1, 2)


def test_two_tabs_of_a_member_create_one_video_and_two_members_two(site, sign_in):
    first, colleague = sign_in(site, "ada"), sign_in(site, "ben")
    second = first.context.new_page()
    second.goto(site.url)
    words = "In two tabs"
    for page in (first, second, colleague):
        prompt_field(page).fill(words)
    for page in (first, second):
        generate_button(page).click()
        wait_for_answers(page)
    expect(second.locator(".existing")).to_contain_text("Already requested")
    assert not violations(second)
    expect(first.locator(".existing")).to_have_count(0)
    assert made(first, site, words) == 1
    press(colleague, "Generate")
    expect(colleague.locator(".card", has_text=words)).to_have_count(2)
    assert made(colleague, site, words) == 2


def test_without_javascript_the_page_asks_and_make_another_creates_one_video(site, sign_in):
    page = sign_in(site, "ada", java_script_enabled=False)
    words = "Without a script"
    for _ in range(2):
        page.goto(f"{site.url}/#new")
        prompt_field(page).fill(words)
        generate_button(page).click()
    expect(page.locator(".existing")).to_contain_text("Already requested")
    expect(prompt_field(page)).to_have_value(words)
    page.get_by_role("button", name="Make another").click()
    expect(page.locator(".existing")).to_have_count(0)
    assert made(page, site, words) == 2


def test_without_javascript_a_held_key_requests_one_video(site, sign_in):
    page = sign_in(site, "ada", java_script_enabled=False)
    words = "Held without a script"
    prompt_field(page).fill(words)
    generate_button(page).focus()
    for _ in range(KEYDOWNS):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    expect(page.locator(".card", has_text=words)).to_have_count(1)
    assert made(page, site, words) == 1


def test_a_held_retry_of_a_selection_retries_each_once_and_teammates_see_it(site, sign_in):
    ada, ben = sign_in(site, "ada"), sign_in(site, "ben")
    words = "Two bridges that fell"
    prompt_field(ada).fill(words)
    ada.get_by_role("radio", name="2", exact=True).check(force=True)
    generate_button(ada).click()
    expect(ada.locator(".card", has_text=words)).to_have_count(2)
    site.python(
        f"from videos.models import Generation\nGeneration.objects.filter(prompt={words!r})"
        ".update(state='failed', error_code='api_error', error_message='Something went wrong')"
    )
    ada.reload()
    failed = ada.locator('.card[data-state="failed"]', has_text=words)
    expect(failed).to_have_count(2)
    for number in range(2):
        failed.nth(number).hover()
        failed.nth(number).get_by_role("checkbox", name="Select").check()
    sent = paid(ada)
    ada.locator("#selection").get_by_role("button", name="Retry").focus()
    hold_key(ada, "Enter")
    for page in (ada, ben):
        expect(page.locator(".card", has_text=words)).to_have_count(4)
    expect(ada.locator(".toast", has_text="Retried 2 videos.")).to_be_visible()
    assert (len(sent), made(ada, site, words)) == (1, 4)
