"""Finished videos are announced by the tab's title, by notifications and by counts in the header."""

import pytest
from playwright.sync_api import Page, expect

from ..find_browser import find_whole
from ..support.installation import Installation
from .conftest import WATCH, launched
from .contexts import Contexts

# A tab in the background asks every fifteen seconds only.
PATIENCE = 60_000

# Replaces the browser's visibility state and notifications.
BROWSER = """answer => {
    let away = false;
    Object.defineProperty(document, "hidden", { get: () => away });
    Object.defineProperty(document, "visibilityState", { get: () => away ? "hidden" : "visible" });
    window.look = (where) => {
        away = where === "away";
        document.dispatchEvent(new Event("visibilitychange"));
    };
    const Real = window.Notification;
    window.notes = [];
    window.asked = window.answered = 0;
    window.Notification = class extends EventTarget {
        static #answer = answer ? "default" : null;
        static get permission() { return this.#answer ?? Real.permission; }
        static async requestPermission() {
            window.asked += 1;
            const given = answer ? this.#answer = answer : await Real.requestPermission();
            window.answered += 1;
            return given;
        }
        constructor(title, { body }) {
            super();
            window.notes.push({ title, body, note: this });
        }
        close() { this.closed = true; }
    };
}"""


@pytest.fixture(scope="module")
def browser(browser_type):
    """Start a browser that can show notifications."""
    with launched(browser_type, find_whole()) as browser:
        yield browser


@pytest.fixture(scope="module")
def contexts(browser):
    return Contexts(browser, WATCH)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Start a separate installation, so that no other test has videos in flight."""
    site = Installation(tmp_path_factory.mktemp("waiting")).start()
    site.add_member("ben")
    yield site
    site.stop()


@pytest.fixture
def closed(site):
    """Keep videos queued until `opened`; no video runs before or after the test."""
    tokens(site, enabled=False)
    yield site
    tokens(site, enabled=True)
    site.python("from videos.models import Generation\nGeneration.objects.update(held_at=None)")


def tokens(site, enabled: bool) -> None:
    site.python(f"from videos.models import ApiToken\nApiToken.objects.update(enabled={enabled})")


def hold(site, uuid: str, until: str) -> None:
    site.python(
        "from django.utils.timezone import now\nfrom videos.models import Generation\n"
        f"Generation.objects.filter(uuid={uuid!r}).update(held_at={until})"
    )


def enter(site, sign_in, username: str, answer: str = "", **options) -> Page:
    """Sign in with a browser that records permission requests; `answer` replaces its own answer."""
    page = sign_in(site, username, **options)
    page.add_init_script(f"({BROWSER})({answer!r})")
    page.reload()
    return page


def look(page: Page, where: str) -> None:
    page.evaluate("where => window.look(where)", where)


def notes(page: Page) -> list[tuple[str, str]]:
    return [tuple(one) for one in page.evaluate("window.notes.map(({title, body}) => [title, body])")]


def switch(page: Page):
    return page.get_by_label("Notify me when my videos are done")


def kept(page: Page):
    """Wait until the server has stored the switch, so that a reload does not overtake it."""
    return page.expect_response("**/profile/choices/", timeout=PATIENCE)


def press_switch(page: Page) -> None:
    """Switch notifications on, and wait until the browser has answered and the server has stored it."""
    with kept(page):
        switch(page).click()
    page.wait_for_function("() => window.answered")
    assert page.evaluate("window.asked") == 1


def in_flight(page: Page, words: str) -> None:
    expect(page.locator("#in-flight")).to_have_text(words)


def test_the_title_counts_videos_that_finished_while_the_tab_was_hidden(closed, sign_in):
    ada, ben = enter(closed, sign_in, "ada"), enter(closed, sign_in, "ben")
    titles = ada.title(), ben.title()
    mine = [closed.visitor().submit(prompt=f"Ada's {number}") for number in (1, 2)]
    his = closed.visitor("ben").submit(prompt="Ben's")
    for page in (ada, ben):
        in_flight(page, "2 of 3 in flight" if page is ada else "1 of 3 in flight")
        look(page, "away")
    assert (ada.title(), ben.title()) == titles
    tokens(closed, enabled=True)
    expect(ada).to_have_title("(2) Lumaweb", timeout=PATIENCE)
    expect(ben).to_have_title("(1) Lumaweb", timeout=PATIENCE)
    for page, title in zip((ada, ben), titles, strict=True):
        look(page, "back")
        assert page.title() == title
    # The page now shows the changes that happened while it was hidden.
    for uuid in (*mine, his):
        expect(ada.locator(f"#generation-{uuid}")).to_have_attribute("data-state", "completed")


def test_the_count_restarts_each_time_the_tab_is_hidden(closed, sign_in):
    ada = enter(closed, sign_in, "ada")
    visitor = closed.visitor()
    tokens(closed, enabled=True)
    visitor.wait_until_saved(visitor.submit(prompt="Seen at once"))
    tokens(closed, enabled=False)
    visitor.submit(prompt="Seen later")
    in_flight(ada, "1 of 1 in flight")
    look(ada, "away")
    tokens(closed, enabled=True)
    expect(ada).to_have_title("(1) Lumaweb", timeout=PATIENCE)


def test_a_notification_is_shown_once_the_member_s_own_queue_is_empty_if_enabled(closed, sign_in):
    ada = enter(closed, sign_in, "ada", permissions=["notifications"])
    ben = enter(closed, sign_in, "ben", permissions=["notifications"])
    assert ada.evaluate("window.asked") == 0, "nobody is asked unasked"
    ada.get_by_role("button", name="Account of ada").click()
    press_switch(ada)
    expect(switch(ada)).to_be_checked()
    ada.reload()
    ada.get_by_role("button", name="Account of ada").click()
    expect(switch(ada)).to_be_checked()
    assert ada.evaluate("window.asked") == 0
    ada.keyboard.press("Escape")

    first, second = [closed.visitor().submit(prompt=f"Wanted {number}") for number in (1, 2)]
    closed.visitor("ben").submit(prompt="Not waited for")
    hold(closed, second, "now()")
    in_flight(ada, "2 of 3 in flight")
    in_flight(ben, "1 of 3 in flight")
    look(ada, "away")
    look(ben, "away")
    tokens(closed, enabled=True)
    # One of two videos is done: no notification yet.
    expect(ada).to_have_title("(1) Lumaweb", timeout=PATIENCE)
    assert closed.visitor().state(first) == "completed"
    assert notes(ada) == []
    hold(closed, second, "None")
    ada.wait_for_function("() => window.notes.length", timeout=PATIENCE)
    expect(ada).to_have_title("(2) Lumaweb", timeout=PATIENCE)
    expect(ben).to_have_title("(1) Lumaweb", timeout=PATIENCE)
    look(ada, "back")
    in_flight(ada, "0 of 0 in flight")
    assert notes(ada) == [("Your queue is empty", "2 videos are ready.")]
    assert notes(ben) == []
    assert ada.evaluate("const [{note}] = window.notes; note.dispatchEvent(new Event('click')); note.closed")


@pytest.mark.parametrize(("answer", "words"), [("denied", "blocks notifications"), ("default", "Not allowed yet")])
def test_a_refusal_of_the_browser_is_explained_and_the_switch_stays_off(site, sign_in, answer, words):
    page = enter(site, sign_in, "ada", answer)
    page.get_by_role("button", name="Account of ada").click()
    expect(page.locator("[data-notify-hint]")).to_be_hidden()
    press_switch(page)
    expect(page.locator("[data-notify-hint]")).to_be_visible()
    expect(page.locator("[data-notify-hint]")).to_contain_text(words)
    expect(switch(page)).not_to_be_checked()


def test_switching_off_stops_notifications(site, sign_in):
    page = enter(site, sign_in, "ada", permissions=["notifications"])
    page.get_by_role("button", name="Account of ada").click()
    press_switch(page)
    page.reload()
    page.get_by_role("button", name="Account of ada").click()
    expect(switch(page)).to_be_checked()
    with kept(page):
        switch(page).uncheck()
    page.reload()
    page.get_by_role("button", name="Account of ada").click()
    expect(switch(page)).not_to_be_checked()


def test_the_header_counts_the_member_s_and_all_running_videos(closed, sign_in):
    ada, ben = sign_in(closed, "ada"), sign_in(closed, "ben")
    for page in (ada, ben):
        expect(page.locator("#in-flight")).to_be_hidden()
    closed.visitor().submit(prompt="One of Ada's")
    for number in (1, 2):
        closed.visitor("ben").submit(prompt=f"Ben's number {number}")
    in_flight(ada, "1 of 3 in flight")
    in_flight(ben, "2 of 3 in flight")
    expect(ada.locator("#in-flight")).to_have_attribute("title", "1 yours, 3 in the team")
    # Every page shows the count, which links to the videos.
    ada.goto(f"{closed.url}/collections/")
    in_flight(ada, "1 of 3 in flight")
    ada.locator("#in-flight").click()
    expect(ada.locator(".card")).to_have_count(3)
    tokens(closed, enabled=True)
    for page in (ada, ben):
        expect(page.locator("#in-flight")).to_be_hidden(timeout=40_000)
