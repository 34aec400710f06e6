"""Admins manage API tokens in the browser."""

import re

import pytest
from playwright.sync_api import expect

from ..support.installation import Installation
from .axe import NARROW, WIDE, violations


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("tokens")).start()
    site.add_member("ben")
    yield site
    site.stop()


def test_a_token_is_added_tested_paused_and_given_a_new_secret(site, sign_in):
    sandbox = site.python("from videos.models import ApiToken\nprint(ApiToken.objects.get().base_url)").strip()
    page = sign_in(site, "ada")
    page.get_by_role("button", name="Account of ada").click()
    page.get_by_role("link", name="Admin", exact=True).click()
    page.get_by_role("link", name="API tokens").first.click()
    page.get_by_role("link", name=re.compile("Add API token", re.IGNORECASE)).click()
    page.get_by_label("Name").fill("Agency")
    page.get_by_label("Token:").fill("sandbox-agency-4711")
    page.get_by_label("Provider").fill(sandbox)
    page.get_by_label("Daily limit").fill("12.5")
    page.get_by_role("button", name="Save", exact=True).click()
    row = page.get_by_role("row", name=re.compile("Agency"))
    expect(row).to_contain_text("…4711")
    expect(row).to_contain_text("0 of 12.5")
    row.get_by_role("link", name="Agency").click()
    page.get_by_role("button", name="Test").click()
    expect(page.locator(".messagelist")).to_contain_text("The provider accepts it")
    page.get_by_role("link", name="New secret").click()
    page.get_by_label("New token").fill("nonsense")
    page.get_by_role("button", name="Replace the secret").click()
    expect(page.get_by_text("Nothing was replaced.")).to_be_visible()
    page.get_by_label("New token").fill("sandbox-agency-0815")
    page.get_by_role("button", name="Replace the secret").click()
    expect(page.locator(".messagelist")).to_contain_text("has a new secret")
    trail = page.get_by_role("region", name="Audit log")
    for words in ("secret replaced; the new one ends with 0815", "tested. The provider accepts it", "added for http"):
        expect(trail.get_by_role("row").filter(has_text=words)).to_contain_text("ada")
    assert "sandbox-agency" not in page.content()
    page.get_by_label("Enabled").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(row).to_contain_text("Paused")
    row.get_by_role("checkbox").check()
    page.get_by_role("combobox", name="Action").select_option(label="Resume")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".messagelist")).to_contain_text("1 resumed.")
    row.get_by_role("link", name="Agency").click()
    expect(trail.get_by_role("row").nth(1)).to_contain_text("resumed")
    expect(trail.get_by_role("row").nth(2)).to_contain_text("paused")


def test_wheels_and_arrow_keys_change_no_number(site, sign_in):
    pk = site.python("from videos.models import ApiToken\nprint(ApiToken.objects.first().pk)")
    page = sign_in(site, "ada")
    for path in ("add/", f"{pk}/change/"):
        page.goto(f"{site.url}/admin/videos/apitoken/{path}")
        assert page.locator("input[type=number]").count() == 0
        for label, number in (("Priority", "10"), ("At the same time", "7"), ("Daily limit", "2.5")):
            field = page.get_by_label(label)
            field.fill(number)
            field.hover()
            page.mouse.wheel(0, 300)
            page.mouse.wheel(0, -500)
            for key in ("ArrowUp", "ArrowUp", "ArrowDown", "PageUp"):
                page.keyboard.press(key)
            assert field.input_value() == number
            assert field.get_attribute("inputmode") in ("numeric", "decimal")


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_the_token_pages_have_no_axe_violation(site, sign_in, scheme, viewport):
    pk = site.python(
        "from videos.models import ApiToken\ntoken = ApiToken.objects.first()\n"
        "token.end_back_off(None) or token.note(None, 'looked at')\nprint(token.pk)"
    )
    page = sign_in(site, "ada", color_scheme=scheme, viewport=viewport)
    tokens = [f"apitoken/{path}" for path in ("", "add/", f"{pk}/change/", f"{pk}/rotate/")]
    for path in tokens:
        page.goto(f"{site.url}/admin/videos/{path}")
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
    # They share the stylesheet and the header.
    others = ("apitoken/{pk}/delete/", "apitoken/{pk}/history/", "collection/", "event/", "generation/", "share/", "..")
    for path in others:
        page.goto(f"{site.url}/admin/videos/{path.format(pk=pk)}")
        assert violations(page) == [], path


def test_a_member_reads_that_the_token_pages_are_for_admins(site, sign_in):
    page = sign_in(site, "ben")
    assert page.goto(f"{site.url}/admin/videos/apitoken/").status == 403
