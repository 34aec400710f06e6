"""Invite, sign in, manage and deactivate members, with and without JavaScript."""

from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from ..support.installation import PASSWORD
from .axe import NARROW, WIDE, violations
from .widths import WIDTHS

BOTH = pytest.mark.parametrize("javascript", [True, False], ids=["with-js", "without-js"])


@pytest.fixture
def guest(site, open_page) -> Callable[..., Page]:
    """Return a function that opens a page without a session, in a separate context."""
    return partial(open_page, site, "a guest")


@pytest.fixture
def somebody(site):
    """Return a function that creates a member for this test only."""

    def somebody(username: str) -> str:
        site.add_member(username)
        return username

    return somebody


def invite(page: Page, site) -> str:
    page.goto(f"{site.url}/team/")
    page.get_by_role("button", name="Create invitation").click()
    return page.locator("#secret-link").inner_text()


def come_in(page: Page, username: str) -> None:
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()


def manage(page: Page, site, username: str) -> None:
    page.goto(f"{site.url}/team/")
    page.get_by_role("link", name=f"Manage {username}", exact=True).click()
    expect(page.get_by_role("heading", name=username, level=1)).to_be_visible()


@BOTH
def test_an_invitation_link_admits_one_person(site, sign_in, guest, javascript):
    name = f"cleo-{'js' if javascript else 'plain'}"
    link = invite(sign_in(site, "ada", java_script_enabled=javascript), site)
    page, told = guest(java_script_enabled=javascript), []
    page.on("request", lambda request: told.append(request.headers.get("referer", "")))
    page.goto(link)
    come_in(page, "two words")
    expect(page.get_by_label("Username")).to_have_attribute("aria-invalid", "true")
    come_in(page, name)
    page.wait_for_url(f"{site.url}/")
    expect(page.get_by_role("button", name=f"Account of {name}")).to_be_visible()
    key = link.split("/")[4]
    assert len(told) > 3 and not [address for address in told if key in address], "the link was told to a server"
    late = guest(java_script_enabled=javascript)
    late.goto(link)
    expect(late.get_by_role("heading", name="This link is no longer valid")).to_be_visible()
    assert key not in site.log.read_text()


def test_a_revoked_invitation_is_refused(site, sign_in, guest):
    ada = sign_in(site, "ada")
    link = invite(ada, site)
    ada.get_by_role("button", name="Revoke the invitation of unnamed").first.click()
    expect(ada.locator(".notes")).to_contain_text("Revoked")
    page = guest()
    assert page.goto(link).status == 404


@BOTH
def test_a_member_sets_a_new_password_with_an_admin_s_link(site, sign_in, guest, somebody, javascript):
    name = somebody(f"dora-{'js' if javascript else 'plain'}")
    ada = sign_in(site, "ada", java_script_enabled=javascript)
    manage(ada, site, name)
    ada.get_by_role("button", name="Create a password link").click()
    page = guest(java_script_enabled=javascript)
    page.goto(ada.locator("#secret-link").inner_text())
    page.get_by_label("New password", exact=True).fill("another-horse-7")
    page.get_by_label("New password again").fill("another-horse-7")
    page.get_by_role("button", name="Save password").click()
    expect(page.locator(".notes")).to_contain_text("Password changed")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("another-horse-7")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.url}/")


def test_a_deactivated_member_is_redirected_from_an_open_studio(site, sign_in, somebody):
    name = somebody("emil")
    emil, ada = sign_in(site, name), sign_in(site, "ada")
    expect(emil.get_by_role("button", name="Account of emil")).to_be_visible()
    manage(ada, site, name)
    ada.get_by_role("button", name="Deactivate").click()
    expect(ada.get_by_role("button", name="Reactivate")).to_be_visible()
    # The open page polls, and is redirected to the sign-in page.
    emil.wait_for_url(f"{site.url}/login/**", timeout=15_000)


def test_an_admin_makes_a_member_an_admin_and_gives_them_a_limit(site, sign_in, somebody):
    name = somebody("finn")
    ada = sign_in(site, "ada", viewport=NARROW)
    manage(ada, site, name)
    ada.get_by_label("Custom limit").check()
    ada.get_by_label("Credits a month").fill("12.5")
    ada.get_by_role("button", name="Save").click()
    expect(ada.locator(".notes")).to_contain_text("Saved")
    expect(ada.get_by_text("0 of 12.5 credits")).to_be_visible()
    ada.get_by_role("button", name="Change to admin").click()
    expect(ada.get_by_role("button", name="Change to member")).to_be_visible()
    finn = sign_in(site, name)
    finn.goto(f"{site.url}/team/changes/")
    expect(finn.get_by_text("finn is now an admin.")).to_be_visible()


def test_signing_out_everywhere_else_leaves_this_browser(site, sign_in, somebody):
    name = somebody("gus")
    here, there = sign_in(site, name), sign_in(site, name)
    there.goto("about:blank")
    here.goto(f"{site.url}/profile/")
    here.get_by_role("button", name="Sign out everywhere else").click()
    expect(here.locator(".notes")).to_contain_text("Signed out everywhere else")
    there.goto(site.url)
    expect(there.get_by_role("button", name="Sign in")).to_be_visible()


def test_the_theme_follows_the_member_to_another_browser(site, sign_in, somebody):
    name = somebody("hana")
    here = sign_in(site, name, color_scheme="dark")
    here.get_by_role("button", name="Account of hana").click()
    with here.expect_response("**/profile/choices/") as kept:
        here.get_by_role("radio", name="Light").check(force=True)
    assert kept.value.status == 204
    expect(here.locator("html")).to_have_attribute("data-theme", "light")
    there = sign_in(site, name, color_scheme="dark")
    expect(there.locator("html")).to_have_attribute("data-theme", "light")
    there.goto(f"{site.url}/profile/")
    expect(there.get_by_role("group", name="Theme").get_by_role("radio", name="Light")).to_be_checked()


def test_too_many_wrong_passwords_are_explained(site, guest):
    # A name that no other test uses: failed attempts are counted by client address, which all tests share.
    page = guest()
    page.goto(f"{site.url}/login/")
    for _ in range(5):
        page.get_by_label("Username").fill("nobody-here")
        page.get_by_label("Password").fill("wrong")
        with page.expect_navigation():
            page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Wait 10 minutes and try again.")
    expect(page.get_by_label("Username")).to_have_value("nobody-here")


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_the_team_s_pages_have_no_axe_violation(site, sign_in, guest, scheme, viewport):
    page = sign_in(site, "ada", color_scheme=scheme, viewport=viewport)
    found = {}
    link = invite(page, site)
    found["link"] = violations(page)
    for name, path in {"profile": "/profile/", "changes": "/team/changes/", "team": "/team/"}.items():
        page.goto(site.url + path)
        found[name] = violations(page)
    manage(page, site, "ben")
    found["member"] = violations(page)
    page.get_by_label("Custom limit").check()
    page.get_by_label("Credits a month").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Enter the monthly limit.")).to_be_visible()
    found["wrong limit"] = violations(page)
    stranger = guest(color_scheme=scheme, viewport=viewport)
    for name, address in {
        "invitation": link,
        "gone": f"{site.url}/invitations/x/",
        "forgot": f"{site.url}/password/",
    }.items():
        stranger.goto(address)
        found[name] = violations(stranger)
    assert {name: ones for name, ones in found.items() if ones} == {}


@pytest.mark.parametrize("path", ["/team/", "/profile/", "/team/changes/"])
def test_no_page_of_the_team_is_wider_than_its_window(site, sign_in, path):
    page = sign_in(site, "ada")
    page.goto(site.url + path)
    wide = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            wide[width] = over
    assert not wide
