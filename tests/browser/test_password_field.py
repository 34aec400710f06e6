"""The button that shows a password, at sign-in, set-up and on the profile."""

from playwright.sync_api import Page, expect

from ..support.installation import PASSWORD

# What Chrome would offer to save: the types of the fields at the moment of the submission.
WATCH_TYPES = """() => document.querySelector("form").addEventListener("submit", (event) => {
    sessionStorage.types = [...event.target.querySelectorAll("[autocomplete*=password]")].map((one) => one.type);
})"""


def _is_near_its_field(page: Page, label: str) -> bool:
    field = page.get_by_label(label, exact=True).bounding_box()
    button = page.get_by_role("button", name=f"Show {label.lower()}", exact=True).bounding_box()
    return 0 <= field["y"] - button["y"] < 40 and button["x"] + button["width"] <= field["x"] + field["width"] + 1


def test_a_password_is_shown_on_request_and_submitted_hidden(site, open_page):
    page = open_page(site, viewport={"width": 390, "height": 844})
    page.goto(f"{site.url}/login/")
    card = page.locator(".auth-card")
    # The page appears at once.
    assert card.evaluate("one => getComputedStyle(one).animationName") == "none"
    field = page.get_by_label("Password", exact=True)
    assert field.evaluate("one => getComputedStyle(one).fontSize") == "16px"
    assert _is_near_its_field(page, "Password")
    page.get_by_label("Username").fill("ada")
    field.press_sequentially(PASSWORD)
    # The field comes before its button.
    field.press("Tab")
    button = page.get_by_role("button", name="Show password")
    expect(button).to_be_focused()
    button.press("Enter")
    expect(field).to_have_attribute("type", "text")
    expect(field).to_have_value(PASSWORD)
    expect(field).to_have_attribute("autocomplete", "current-password")
    expect(page.locator("#announcer").get_by_text("The password is shown.", exact=True)).to_have_count(1)
    # A click leaves the focus, and a phone's keyboard, with the field.
    field.focus()
    page.get_by_role("button", name="Hide password").click()
    expect(field).to_have_attribute("type", "password")
    expect(field).to_be_focused()
    page.get_by_role("button", name="Show password").click()
    page.evaluate(WATCH_TYPES)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.url}/")
    assert page.evaluate("sessionStorage.types") == "password"
    page.goto(f"{site.url}/profile/")
    assert all(_is_near_its_field(page, label) for label in ("New password", "Confirm new password"))


def test_without_javascript_there_is_no_button(site, open_page):
    page = open_page(site, java_script_enabled=False)
    page.goto(f"{site.url}/login/")
    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.get_by_role("button", name="Show password")).to_have_count(0)
