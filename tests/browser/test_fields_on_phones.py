"""Fields have 16 px on phones: iOS zooms into a field with smaller text, and the page stays zoomed."""

from .axe import NARROW

SMALL = """() => [...document.querySelectorAll("input, textarea, select")]
    .filter(({type}) => !["checkbox", "radio", "range", "hidden", "submit", "button", "image", "file"].includes(type))
    .filter((field) => parseFloat(getComputedStyle(field).fontSize) < 16)
    .map((field) => field.outerHTML.slice(0, 120))"""

PAGES = (
    "/",
    "/?q=heron",
    "/clips/?side=start",
    "/commands/",
    "/collections/",
    "/trash/",
    "/usage/",
    "/team/",
    "/profile/",
    "/provider/",
    "/provider/account/",
    "/settings/storage/",
    "/settings/mail/",
    "/settings/sign-in/",
    "/settings/health/",
    "/admin/",
    "/admin/videos/generation/",
    "/admin/videos/apitoken/add/",
)


def test_every_field_has_16_px_on_a_phone(site, shown, sign_in):
    page = sign_in(site, "ada", viewport=NARROW)
    video = f"/generations/{shown['ready']}/"
    found = {}
    for path in (*PAGES, video, f"{video}extend/", f"{video}shares/"):
        assert page.goto(site.url + path).ok, path
        found[path] = page.evaluate(SMALL)
    page.goto(site.url)
    # What is loaded with its first use.
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
    for path in ("/login/", "/password-reset/"):
        page.goto(site.url + path)
        found[path] = page.evaluate(SMALL)
    assert {name: fields for name, fields in found.items() if fields} == {}
