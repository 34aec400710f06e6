"""No page has an axe violation, in either theme, on a desktop and on a phone."""

import re

import pytest
from playwright.sync_api import expect

from ..support.installation import ROOT, Installation
from .axe import NARROW, WIDE, violations
from .pages import BROWSER_TESTS, CHECKED_BY, DIALOGS, NO_PAGES, PAGES, SIGNED_OUT_PAGES, named_pages, page_paths
from .posting import post


def test_every_page_and_dialog_is_checked():
    assert named_pages() == {*PAGES, *SIGNED_OUT_PAGES, *CHECKED_BY, *NO_PAGES}
    templates = {str(path.relative_to(ROOT / "templates")): path for path in (ROOT / "templates").rglob("*.html")}
    assert {name for name, path in templates.items() if "<dialog" in path.read_text()} == {*DIALOGS}
    for name in {*CHECKED_BY.values(), *DIALOGS.values()}:
        assert "violations(" in (BROWSER_TESTS / name).read_text(), name


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_no_page_has_an_axe_violation(site, known, sign_in, scheme, viewport):
    page = sign_in(site, "ada", color_scheme=scheme, viewport=viewport)
    found = {}
    for path in ("/nowhere/", *page_paths(known)):
        page.goto(site.url + path)
        found[path] = violations(page)
    page.goto(site.url)
    page.locator(".card:has(.select) .card-link").first.click(position={"x": 100, "y": 70})
    page.locator("#video-dialog[open] .video-page").wait_for()
    found["dialog"] = violations(page)
    page.keyboard.press("Escape")
    page.locator("#video-dialog").wait_for(state="hidden")
    page.locator(".card .select").first.check(force=True)
    found["selection"] = violations(page)
    page.get_by_role("button", name="Clear").click()
    page.locator(".card [data-menu]").first.click(force=True)
    page.locator("#card-menu:popover-open").wait_for()
    found["menu"] = violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard shortcuts").wait_for()
    found["keys"] = violations(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Account of ada").click()
    page.locator("#account:popover-open").wait_for()
    found["account"] = violations(page)
    page.goto(f"{site.url}/generations/{known['ready']}/")
    page.get_by_role("button", name="Share", exact=True).click()
    page.locator("#share .share-form").wait_for()
    found["share"] = violations(page)
    page.goto(f"{site.url}/team/")
    if viewport is NARROW:
        page.get_by_role("button", name="Settings").click()
        page.locator("#settings-nav:popover-open").wait_for()
        found["settings"] = violations(page)
    # An open page would notice that it was signed out, and go to the sign-in page.
    page.goto("about:blank")
    page.context.clear_cookies()
    for name, path in SIGNED_OUT_PAGES.items():
        page.goto(site.url + path)
        found[name] = violations(page)
    assert {name: ones for name, ones in found.items() if ones} == {}


EVERYWHERE = [
    pytest.param(scheme, viewport, id=f"{scheme}-{'desk' if viewport is WIDE else 'phone'}")
    for scheme in ("dark", "light")
    for viewport in (WIDE, NARROW)
]


@pytest.fixture(scope="module")
def new_site(tmp_path_factory):
    """Start a new installation without any account."""
    new_site = Installation(
        tmp_path_factory.mktemp("unmanned"), LUMAWEB_ADMIN_USERNAME="", LUMAWEB_ADMIN_PASSWORD=""
    ).start(only=("web",))
    yield new_site
    new_site.stop()


@pytest.mark.parametrize(("scheme", "viewport"), EVERYWHERE)
def test_nothing_that_opens_from_the_form_has_an_axe_violation(site, shown, sign_in, scheme, viewport):
    page = sign_in(site, "ada", color_scheme=scheme, viewport=viewport)
    # On a phone the form is a sheet.
    page.goto(f"{site.url}/#new")
    page.reload()
    form = page.locator("#video-form")
    form.get_by_label("Prompt", exact=True).fill("A heron")
    form.locator(".bar label").get_by_text("Frames", exact=True).click()
    found = {}
    page.get_by_role("link", name="Choose start frame from the gallery").click()
    videos = page.get_by_role("dialog", name="Choose the start frame")
    expect(videos.locator(".video-picker-item").first).to_be_visible()
    found["videos"] = violations(page)
    videos.get_by_role("searchbox").fill("nothing is called this")
    expect(videos.locator(".video-picker-empty")).to_be_visible()
    found["no videos"] = violations(page)
    videos.get_by_role("button", name="Close").click()
    expect(videos).to_have_count(0)
    page.get_by_role("link", name="Earlier prompts").click()
    expect(page.get_by_role("dialog", name="Earlier prompts").get_by_role("link").first).to_be_visible()
    found["earlier prompts"] = violations(page)
    page.keyboard.press("Escape")
    form.get_by_role("button", name="Code").click()
    code = page.get_by_role("dialog", name="The request as code")
    expect(code.locator("#request-code-curl")).to_contain_text("A heron")
    found["code"] = violations(page)
    code.get_by_text("JavaScript", exact=True).click()
    expect(code.locator("#request-code-javascript")).to_be_visible()
    found["code in JavaScript"] = violations(page)
    assert {name: ones for name, ones in found.items() if ones} == {}


@pytest.mark.parametrize(("scheme", "viewport"), EVERYWHERE)
def test_no_page_without_javascript_has_an_axe_violation(site, shown, sign_in, scheme, viewport):
    page = sign_in(site, "ada", color_scheme=scheme, viewport=viewport)
    found = {}
    for name, path in {"videos": "/clips/?side=end", "earlier prompts": "/prompts/"}.items():
        page.goto(site.url + path)
        found[name] = violations(page)
    page.goto(site.url)
    assert post(page, "/code/", prompt="A heron over still water", mode="text", form="1") == 200
    expect(page.get_by_role("heading", name="The request as code")).to_be_visible()
    found["code"] = violations(page)
    assert {name: ones for name, ones in found.items() if ones} == {}


@pytest.mark.parametrize(("scheme", "viewport"), EVERYWHERE)
def test_no_error_page_has_an_axe_violation(site, shown, sign_in, scheme, viewport):
    page = sign_in(site, "ben", color_scheme=scheme, viewport=viewport)
    found = {}
    assert page.goto(f"{site.url}/nowhere/at/all/").status == 404
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
    found["404"] = violations(page)
    page.goto(site.url)
    assert post(page, f"/generations/{shown['ready']}/trash/") == 403
    expect(page.get_by_role("heading", name="No access")).to_be_visible()
    found["403"] = violations(page)
    page.goto(site.url)
    assert post(page, f"/generations/{shown['ready']}/star/", csrfmiddlewaretoken="stale") == 403
    found["403, too old a page"] = violations(page)
    page.goto(site.url)
    assert post(page, f"/generations/{shown['ready']}/choice/", choice="maybe") == 400
    found["400"] = violations(page)
    # Browsers find every name under localhost on this machine.
    assert page.goto(f"http://films.localhost:{site.port}/").status == 400
    expect(page.get_by_role("heading", name="Lumaweb does not answer at this address")).to_be_visible()
    found["an unknown host"] = violations(page)
    page.goto("about:blank")
    page.context.clear_cookies()
    page.goto(f"{site.url}/login/")
    page.get_by_label("Username").fill("ben")
    page.get_by_label("Password").fill("not his")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found["a wrong password"] = violations(page)
    assert {name: ones for name, ones in found.items() if ones} == {}


@pytest.mark.parametrize(("scheme", "viewport"), EVERYWHERE)
def test_the_first_page_of_a_new_installation_has_no_axe_violation(new_site, browser, scheme, viewport):
    context = browser.new_context(color_scheme=scheme, viewport=viewport)
    try:
        page = context.new_page()
        page.goto(new_site.url)
        expect(page).to_have_url(f"{new_site.url}/setup/")
        found = {"setup": violations(page)}
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password", exact=True).fill("one")
        page.get_by_label("Confirm password").fill("another")
        page.get_by_role("button", name="Create account").click()
        expect(page.locator("[aria-invalid=true]").first).to_be_focused()
        found["setup, mistaken"] = violations(page)
        assert {name: ones for name, ones in found.items() if ones} == {}
    finally:
        context.close()


@pytest.mark.parametrize(("scheme", "viewport"), EVERYWHERE)
def test_no_timeline_and_no_comparison_has_an_axe_violation(site, shown, sign_in, scheme, viewport):
    page = sign_in(site, "ada", color_scheme=scheme, viewport=viewport)
    found = {}
    for name in ("child", "refused"):
        page.goto(f"{site.url}/generations/{shown[name]}/")
        story = page.locator(".timeline")
        assert story.locator("li").count() > 1
        story.scroll_into_view_if_needed()
        found[f"the story of {name}"] = violations(page)
    page.goto(f"{site.url}/generations/{shown['ready']}/")
    page.get_by_role("button", name="Code").click()
    expect(page.get_by_role("heading", name="The request as code")).to_be_visible()
    found["the code of a video"] = violations(page)
    page.goto(f"{site.url}/compare/?v={shown['ready']}&v={shown['child']}")
    expect(page.locator("video-compare:defined")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Sound from video 1")).click()
    expect(page.locator(".lane-sound[aria-pressed=true]")).to_have_count(1)
    found["compared"] = violations(page)
    page.goto(f"{site.url}/compare/?v={shown['ready']}&v={shown['refused']}")
    expect(page.get_by_role("heading", name="Nothing to compare")).to_be_visible()
    found["nothing to compare"] = violations(page)
    assert {name: ones for name, ones in found.items() if ones} == {}
