"""A new admin connects a provider: a second sandbox with its own port and data plays the real one."""

import time

import pytest
from playwright.sync_api import expect

from ..sandbox.process import Sandbox
from ..support.installation import PASSWORD, Installation
from .axe import NARROW, WIDE, violations

TOKEN = "sandbox-of-the-agency-7Q4f"


@pytest.fixture(scope="module")
def luma(tmp_path_factory):
    sandbox = Sandbox(tmp_path_factory.mktemp("luma"), seconds=0.5)
    yield sandbox
    sandbox.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Start an empty installation, as `make run` does."""
    folder = tmp_path_factory.mktemp("new")
    site = Installation(folder, LUMAWEB_ADMIN_USERNAME="", LUMAWEB_ADMIN_PASSWORD="", SANDBOX_SECONDS="6").start()
    yield site
    site.stop()


def generate(page, site, prompt: str):
    page.goto(f"{site.url}/")
    page.get_by_role("textbox", name="Prompt").fill(prompt)
    page.get_by_role("button", name="Generate").click()
    card = page.locator(".card", has_text=prompt)
    expect(card).to_have_count(1)
    return card


def axe_violations(page) -> dict[str, list[str]]:
    """Return what axe finds on the page as it is, in both themes and at two widths."""
    found = {}
    for scheme in ("dark", "light"):
        for viewport in (WIDE, NARROW):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(viewport)
            found[f"{scheme} {viewport['width']}"] = violations(page)
    page.set_viewport_size(WIDE)
    return {name: ones for name, ones in found.items() if ones}


def prompts_at(luma: Sandbox) -> list[str]:
    return [line["prompt"] for line in luma.ledger()]


def test_a_new_admin_connects_within_two_minutes_and_the_connection_survives_a_restart(site, luma, open_page):
    began = time.monotonic()
    page = open_page(site, "ada")
    page.goto(f"{site.url}/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page).to_have_url(f"{site.url}/")
    generate(page, site, "A heron in the sandbox")

    page.goto(f"{site.url}/provider/")
    expect(page.get_by_text("You are using the sandbox")).to_be_visible()
    # A wrong token changes nothing, and what was typed stays but for the token.
    page.get_by_text("Advanced").click()
    page.get_by_label("Name").fill("Agency")
    page.get_by_label("Provider’s address").fill(f"{luma.url}/luma/videos")
    page.get_by_label("A new video").fill("4")
    page.get_by_label("API token", exact=True).fill("wrong-token")
    page.get_by_role("button", name="Test", exact=True).first.click()
    expect(page.locator("#token-test")).to_contain_text("The provider does not accept this token.")
    expect(page.get_by_label("API token", exact=True)).to_have_value("wrong-token")
    page.get_by_role("button", name="Test and connect").click()
    field = page.get_by_label("API token", exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    expect(page.locator(".error")).to_contain_text("The provider does not accept this token.")
    expect(page.get_by_label("Provider’s address")).to_have_value(f"{luma.url}/luma/videos")
    expect(page.get_by_label("A new video")).to_have_value("4")
    expect(page.get_by_text("You are using the sandbox")).to_be_visible()
    assert "wrong-token" not in page.content()

    field.fill(f"Bearer {TOKEN}")
    field.press("Enter")
    expect(page.get_by_role("heading", name="Luma is connected")).to_be_focused()
    assert TOKEN not in page.content()
    page.get_by_role("link", name="Make a video").click()
    card = generate(page, site, "A heron at Luma")
    expect(card).to_have_attribute("data-state", "completed", timeout=30_000)
    assert time.monotonic() - began < 120
    assert prompts_at(luma) == ["A heron at Luma"]
    # What was in flight at the sandbox finishes there.
    expect(page.locator(".card", has_text="A heron in the sandbox")).to_have_attribute("data-state", "completed")

    site.stop()
    site.start()
    page.goto(f"{site.url}/provider/")
    expect(page.locator(".pool-row", has_text="Agency")).to_contain_text("Working")
    expect(page.locator(".pool-row", has_text="Sandbox").first).to_contain_text("Paused")
    card = generate(page, site, "A heron after the restart")
    expect(card).to_have_attribute("data-state", "completed", timeout=30_000)
    assert prompts_at(luma) == ["A heron at Luma", "A heron after the restart"]


def test_no_state_of_the_provider_page_has_an_axe_violation(tmp_path, open_page, luma):
    site = Installation(tmp_path, LUMAWEB_PUBLIC_URL="").start()
    try:
        page = open_page(site, "ada")
        page.goto(f"{site.url}/login/")
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.goto(f"{site.url}/provider/")
        assert axe_violations(page) == {}
        page.get_by_role("button", name="Test and connect").click()
        expect(page.get_by_text("Enter the token.")).to_be_visible()
        assert axe_violations(page) == {}
        site.python(
            "from videos.models import ApiToken\n"
            "ApiToken.objects.update(enabled=False)\n"
            "spent = {'health': 'used_up', 'last_error': 'used_up: top up'}\n"
            "for name, values in {'Studio': {}, 'Agency': spent}.items():\n"
            f"    token = ApiToken(name=name, base_url={luma.url!r}, **values)\n"
            "    token.secret = 'sandbox-' + name\n"
            "    token.save()"
        )
        page.goto(f"{site.url}/provider/?connected")
        for name in ("Limits", "New secret"):
            page.get_by_text(name).first.click()
        page.locator("#add-token summary").first.click()
        assert axe_violations(page) == {}
        page.set_viewport_size({"width": 320, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") == 320
    finally:
        site.stop()
