"""A form that waits for the server: it sends nothing while it is about to change, and no answer is lost."""

import pytest
from playwright.sync_api import Page, Route, expect

from ..support.installation import Installation
from .studio import card, cards, prompt_field, wait_for_answers


def count(site: Installation) -> int:
    return int(site.python("from videos.models import Generation\nprint(Generation.objects.count())"))


class Held:
    """The requests of a page to one address, held until they are released."""

    def __init__(self, page: Page, address: str) -> None:
        self.routes: list[Route] = []
        self.page = page
        page.route(address, lambda route: self.routes.append(route))

    def wait(self, number: int = 1) -> None:
        for _ in range(300):
            if len(self.routes) >= number:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{len(self.routes)} requests of {number}")

    def release(self) -> None:
        while self.routes:
            self.routes.pop(0).continue_()


def use(page: Page, uuid: str, use: str) -> None:
    card(page, uuid).hover()
    if use == "prompt":
        card(page, uuid).get_by_role("link", name="More").click()
        page.get_by_role("link", name="Use prompt").click()
    else:
        card(page, uuid).locator(f'[data-use="{use}"]').first.click()


def send(page: Page) -> None:
    prompt_field(page).press("Control+Enter")


@pytest.mark.parametrize(
    ("control", "address"), [("extend", "**/extend/"), ("settings", "**/reuse/"), ("prompt", "**/reuse/?what=prompt")]
)
def test_nothing_is_sent_while_another_form_is_loading(site, shown, sign_in, control, address):
    page = sign_in(site, "ada")
    before = count(site)
    prompt_field(page).fill("The old prompt")
    held = Held(page, address)
    use(page, shown["ready"], control)
    held.wait()
    prompt_field(page).fill("Typed in between")
    send(page)
    expect(page.locator(".toast", has_text="Nothing was sent: the form is still changing.")).to_be_visible()
    held.release()
    expect(page.locator(".toast").get_by_role("button", name="Undo")).to_be_visible()
    wait_for_answers(page)
    assert count(site) == before
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(prompt_field(page)).to_have_value("Typed in between")
    expect(page.get_by_role("radio", name="Text", exact=True)).to_be_checked()


def test_the_last_of_two_pressed_cards_is_extended(site, shown, sign_in):
    page = sign_in(site, "ada")
    first, last = [uuid for uuid in cards(page) if card(page, uuid).locator('[data-use="extend"]').count()][:2]
    held = Held(page, "**/extend/")
    use(page, first, "extend")
    held.wait()
    use(page, last, "extend")
    held.release()
    held.wait()
    held.release()
    expect(page.locator(f'#video-form[data-source="{last}"]')).to_be_visible()
    assert not held.routes


def test_a_submission_is_answered_before_extend_changes_the_form(site, shown, sign_in):
    page = sign_in(site, "ada")
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if "NoTarget" in message.text else None)
    before = set(cards(page))
    prompt_field(page).fill("Sent at the last moment")
    held = Held(page, "**/generations/")
    send(page)
    held.wait()
    use(page, shown["ready"], "extend")
    held.release()
    expect(page.locator(f'#video-form[data-source="{shown["ready"]}"]')).to_be_visible()
    expect(page.locator(".card", has_text="Sent at the last moment")).to_be_visible()
    assert len(set(cards(page)) - before) == 1
    assert not errors


def test_errors_of_a_submission_stay_when_extend_was_pressed_meanwhile(site, shown, sign_in):
    page = sign_in(site, "ada")
    page.get_by_text("More", exact=False).locator("visible=true").first.click()
    page.get_by_label("Timeout").fill("never")
    prompt_field(page).fill("Not to be lost")
    held = Held(page, "**/generations/")
    send(page)
    held.wait()
    use(page, shown["ready"], "extend")
    held.release()
    expect(page.locator("#timeout-error")).to_be_visible()
    wait_for_answers(page)
    expect(prompt_field(page)).to_have_value("Not to be lost")
    expect(page.locator(f'#video-form[data-source="{shown["ready"]}"]')).to_have_count(0)
    # The next press works again.
    use(page, shown["ready"], "extend")
    expect(page.locator(f'#video-form[data-source="{shown["ready"]}"]')).to_be_visible()


def test_the_form_changes_after_a_submission_that_was_cut_off(site, shown, sign_in):
    page = sign_in(site, "ada")
    prompt_field(page).fill("Cut off")
    page.route("**/generations/", lambda route: route.abort())
    send(page)
    expect(page.locator(".toast").first).to_be_visible()
    page.unroute("**/generations/")
    use(page, shown["ready"], "settings")
    expect(prompt_field(page)).to_have_value("A heron over still water")
