"""Copy buttons on plain HTTP, where browsers have no clipboard, and the keys of a Mac."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from ..support.installation import Installation

HOST = "studio.test"  # resolved to loopback by a flag of the browser
MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Installation]:
    """Start an installation that members reach over plain HTTP by a host name."""
    site = Installation(tmp_path_factory.mktemp("plain"), LUMAWEB_ALLOWED_HOSTS=f"127.0.0.1,{HOST}")
    site.start(only=("web",))
    yield site
    site.stop()


def on_plain_http(page: Page, site: Installation) -> None:
    address = site.url.replace("127.0.0.1", HOST)
    page.context.add_cookies(
        [{"name": one["name"], "value": one["value"], "url": address} for one in page.context.cookies(site.url)]
    )
    page.goto(f"{address}/")
    assert page.evaluate("() => [isSecureContext, navigator.clipboard === undefined]") == [False, True]


def test_copy_works_on_plain_http_and_names_the_keys_where_the_browser_refuses(site, sign_in):
    page = sign_in(site, "ada")
    on_plain_http(page, site)
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("A heron over still water")
    page.locator("#video-form").get_by_role("button", name="Code").click()
    panel = page.locator("#request-code")
    copy = panel.get_by_role("button", name="Copy", exact=True).first
    copy.click()
    expect(page.locator("#announcer").get_by_text("Copied", exact=True)).to_have_count(1)
    expect(copy).to_be_focused()
    code = panel.locator("code").first.text_content()
    page.keyboard.press("Escape")
    prompt.fill("")
    page.keyboard.press("Control+V")
    expect(prompt).to_have_value(code)
    # As in browsers where a policy forbids copying.
    page.evaluate("() => { document.execCommand = () => false; }")
    page.locator("#video-form").get_by_role("button", name="Code").click()
    copy.click()
    expect(page.locator(".toast")).to_contain_text("Press Ctrl+C to copy.")
    assert page.evaluate("() => String(getSelection())").strip() == panel.locator("code").first.inner_text().strip()


def test_a_mac_sees_its_own_keys(site, sign_in):
    page = sign_in(site, "ada", user_agent=MAC)
    form = page.locator("#video-form")
    expect(form.locator("button kbd")).to_have_text("⌘ ↵")
    expect(form.get_by_role("link", name="Earlier prompts")).to_have_attribute(
        "title", "Press ⌥+↑ in the prompt to step through them"
    )
    page.keyboard.press("?")
    listed = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(listed).to_be_visible()
    rows = dict(zip(listed.locator("dt").all_inner_texts(), listed.locator("dd").all_inner_texts(), strict=True))
    assert rows["Generate"].split() == ["⌘", "↩"]
    assert rows["Move to trash"].split() == ["⌦", "⌫"]
    assert "Ctrl" not in listed.inner_text()
    page.keyboard.press("Escape")
    on_plain_http(page, site)
    page.evaluate("() => { document.execCommand = () => false; }")
    page.locator("#video-form").get_by_role("button", name="Code").click()
    page.locator("#request-code").get_by_role("button", name="Copy", exact=True).first.click()
    expect(page.locator(".toast")).to_contain_text("Press ⌘C to copy.")
