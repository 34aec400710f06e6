"""A refused form has the focus on its first error: after a full page, after a swap by htmx, and without JavaScript."""

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from .posting import post

# Returns "" if the first error of the page has the focus, else what is wrong.
FOCUSED = """() => {
    const errors = [...document.querySelectorAll("[aria-invalid=true], [role=alert], .note[data-level=error], .error")];
    const first = errors.find((one) => one.checkVisibility());
    const one = document.activeElement;
    if (!first) return "no error";
    const {top, bottom} = one.getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) return "out of sight";
    return first.contains(one) ? "" : one.outerHTML.slice(0, 200);
}"""

# Addresses with fields that are refused.
REFUSED = [
    ("/profile/", {"email": "nonsense"}),
    ("/profile/", {"theme": "plaid"}),
    ("/profile/password/", {}),
    ("/team/budget/", {"per_generate": "much"}),
    ("/team/invitations/", {"email": "nonsense"}),
    ("/team/2/limit/", {"kind": "own", "limit": "much"}),
    ("/settings/storage/limits/", {"trash_days": "many"}),
    ("/settings/storage/rejected/", {"rejected_days": "many"}),
    ("/provider/tokens/", {"token": "two words"}),
    ("/provider/account/", {"token": "wrong"}),
    ("/collections/", {"name": " "}),
    ("/generations/", {"prompt": "", "form": "1"}),
    ("/generations/", {"prompt": "A heron", "aspect_ratio": "2:1", "form": "1"}),
]
REFUSED_FILTERS = ["/usage/?since=never&until=never", "/team/changes/?since=never"]


def focused(page: Page) -> str:
    """Wait for the focus, which the browser gives with the first frame; return what has it instead, or nothing."""
    try:
        _expect_focused(page)
    except TimeoutError:
        return str(page.evaluate(FOCUSED))
    return ""


def test_the_first_error_of_a_page_has_the_focus(site, shown, sign_in):
    page = sign_in(site, "ada")
    found = {}
    for path, fields in REFUSED:
        page.goto(f"{site.url}/profile/")
        post(page, path, **fields)
        page.wait_for_load_state()
        found[f"{path} {fields}"] = focused(page)
    for path in REFUSED_FILTERS:
        page.goto(site.url + path)
        found[path] = focused(page)
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize("javascript", [True, False], ids=["with-js", "without-js"])
def test_a_refused_sign_in_has_the_focus_on_its_error(site, open_page, javascript):
    page = open_page(site, java_script_enabled=javascript)
    page.goto(f"{site.url}/login/")
    expect(page.get_by_label("Username")).to_be_focused()
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password", exact=True).fill("not hers")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_focused()


def _expect_focused(page: Page) -> None:
    page.wait_for_function(f"() => ({FOCUSED})() === ''")


def test_the_first_error_of_a_swapped_form_has_the_focus(site, shown, sign_in):
    page = sign_in(site, "ada")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_be_focused()
    _expect_focused(page)
    page.goto(f"{site.url}/provider/account/")
    page.get_by_label("Platform token").fill("wrong")
    page.get_by_role("button", name="Test and add").click()
    expect(page.locator("[aria-invalid=true]")).to_be_visible()
    _expect_focused(page)
