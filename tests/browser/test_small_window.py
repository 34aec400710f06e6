"""At 320 x 256 CSS pixels, a window of 1280 x 1024 at 400 % zoom, nothing covers the control in use."""

from playwright.sync_api import expect

from .covered import covered
from .pages import SIGNED_OUT_PAGES, page_paths

SMALL = {"width": 320, "height": 256}
LOW = {"width": 1200, "height": 400}


def test_no_page_covers_the_control_in_use(site, known, sign_in):
    page = sign_in(site, "ada", viewport=SMALL)
    found = {}
    for path in ("/commands/", "/nowhere/", *page_paths(known)):
        page.goto(site.url + path)
        found[path] = covered(page)
    page.goto("about:blank")
    page.context.clear_cookies()
    for path in SIGNED_OUT_PAGES.values():
        page.goto(site.url + path)
        found[path] = covered(page)
    assert {name: ones for name, ones in found.items() if ones} == {}


def test_nothing_that_opens_covers_the_control_in_use(site, shown, sign_in):
    page = sign_in(site, "ada", viewport=SMALL)
    found = {}
    page.locator("[data-open]").click()
    form = page.locator("#video-form")
    expect(form).to_be_visible()
    for mode in ("Text", "Frames", "Extend"):
        form.get_by_role("radio", name=mode, exact=True).check(force=True)
        form.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
        found[f"form: {mode}"] = covered(page)
    form.get_by_role("radio", name="Frames", exact=True).check(force=True)
    page.get_by_role("link", name="Choose start frame from the gallery").click()
    expect(page.locator(".video-picker-item").first).to_be_visible()
    found["frames from the gallery"] = covered(page)
    page.goto(site.url)
    page.locator(".card .select").first.check(force=True)
    expect(page.locator("#selection")).to_contain_text("1 selected")
    found["selection"] = covered(page)
    page.goto(site.url)
    page.locator(".card:has(video-preview) .card-link").first.press("Enter")
    expect(page.locator("#video-dialog .video-page")).to_be_visible()
    found["video"] = covered(page)
    page.goto(site.url)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    found["shortcuts"] = covered(page)
    page.goto(site.url)
    page.get_by_role("button", name="Account of ada").click()
    expect(page.locator("#account")).to_be_visible()
    found["account"] = covered(page)
    page.goto(f"{site.url}/team/")
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_role("navigation", name="Settings")).to_be_visible()
    found["settings"] = covered(page)
    for name in ("Share", "Code"):
        page.goto(f"{site.url}/generations/{shown['ready']}/")
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.locator(":popover-open")).to_be_visible()
        found[name] = covered(page)
    assert {name: ones for name, ones in found.items() if ones} == {}


def test_a_low_window_reaches_the_whole_list_of_settings(site, sign_in):
    page = sign_in(site, "ada", viewport=LOW)
    found = {}
    for path in ("/profile/", "/provider/", "/settings/storage/"):
        page.goto(site.url + path)
        expect(page.get_by_role("navigation", name="Settings")).to_be_visible()
        found[path] = covered(page)
    assert {path: ones for path, ones in found.items() if ones} == {}
