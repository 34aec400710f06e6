"""Fields have 16 px on phones: iOS zooms into a field with smaller text, and the page stays zoomed."""

from .axe import NARROW
from .pages import SIGNED_OUT_PAGES, page_paths

SMALL = """() => [...document.querySelectorAll("input, textarea, select")]
    .filter(({type}) => !["checkbox", "radio", "range", "hidden", "submit", "button", "image", "file"].includes(type))
    .filter((field) => parseFloat(getComputedStyle(field).fontSize) < 16)
    .map((field) => field.outerHTML.slice(0, 120))"""

FURTHER_PAGES = ("/?q=heron", "/commands/", "/admin/", "/admin/videos/generation/", "/admin/videos/apitoken/add/")


def test_every_field_has_16_px_on_a_phone(site, known, sign_in):
    page = sign_in(site, "ada", viewport=NARROW)
    found = {}
    for path in (*page_paths(known), *FURTHER_PAGES):
        assert page.goto(site.url + path).ok == (known["missing"] not in path), path
        found[path] = page.evaluate(SMALL)
    page.goto(site.url)
    # Parts that are loaded with their first use.
    page.locator(".card [data-menu]").first.click(force=True)
    page.locator("#card-menu:popover-open").wait_for()
    found["menu"] = page.evaluate(SMALL)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+K")
    page.locator("#commands [role=option]").first.wait_for()
    found["command menu"] = page.evaluate(SMALL)
    page.keyboard.press("Escape")
    page.goto("about:blank")
    page.context.clear_cookies()
    for path in SIGNED_OUT_PAGES.values():
        assert page.goto(site.url + path).ok, path
        found[path] = page.evaluate(SMALL)
    assert {name: fields for name, fields in found.items() if fields} == {}
