"""The mark of the sandbox in open pages, and on its videos after the switch."""

import re

import pytest
from playwright.sync_api import expect

from ..support.installation import Installation
from .axe import NARROW, WIDE, violations

CONNECT = """
from videos.models import ApiToken
token = ApiToken(name="Agency", base_url="http://127.0.0.1:9")
token.secret = "a-real-token-4711"
token.save()
ApiToken.objects.pause_other_providers(token.base_url)
"""


@pytest.fixture
def site(tmp_path):
    site = Installation(tmp_path).start()
    site.add_member("ben")
    yield site
    site.stop()


def test_open_pages_say_that_videos_are_simulated_until_luma_is_connected(site, sign_in):
    desk = sign_in(site, "ada", color_scheme="dark", viewport=WIDE)
    phone = sign_in(site, "ben", color_scheme="light", viewport=NARROW)
    for page, words in ((desk, "Connect Luma"), (phone, "Ask an admin to connect Luma")):
        expect(page.locator("#sandbox-line")).to_contain_text("videos are simulated and free")
        expect(page.locator("#sandbox-line")).to_contain_text(words)
        page.get_by_role("button", name="Sandbox").press("Enter")
        expect(page.locator("#sandbox-note")).to_contain_text(words)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.keyboard.press("Escape")
    desk.get_by_role("textbox", name="Prompt").fill("A fox crossing fresh snow")
    desk.get_by_role("button", name="Generate").click()
    ready = desk.locator('.card[data-state="completed"]')
    expect(ready).to_contain_text("Simulated", timeout=20_000)
    site.python(CONNECT)
    for page in (desk, phone):
        expect(page.get_by_role("button", name="Sandbox")).to_have_count(0, timeout=20_000)
        expect(page.locator("#sandbox-line")).to_be_hidden()
    expect(ready).to_contain_text("Simulated")
    desk.goto(f"{site.url}/usage/")
    expect(desk.locator(".usage-totals")).to_contain_text(re.compile(r"0 credits\s*1 credit simulated, not charged"))
