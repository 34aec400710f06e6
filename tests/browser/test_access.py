"""Everyone can use it: no axe violation on any page, in both themes, on a desk and on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def violations(page) -> list[str]:
    # Colours are judged at rest, not halfway through a transition.
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_timeout(300)
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]


@pytest.fixture(scope="package")
def shown(house) -> dict[str, str]:
    """A video in each of the states a page can stand in for a while."""
    visitor = house.visitor()
    ready = visitor.submit(prompt="A heron over still water")
    refused = visitor.submit(prompt="A crowd [refuse]")
    child = None
    visitor.wait_until_saved(ready)
    visitor.wait_for(refused, "failed")
    video_id = house.python(
        f"from videos.models import Generation\nprint(Generation.objects.get(uuid={ready!r}).video_id)"
    )
    child = visitor.submit(action="extend", video_id=video_id, prompt="It lands")
    visitor.wait_until_saved(child)
    return {"ready": ready, "refused": refused, "child": child}


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_no_page_has_an_axe_violation(house, shown, sign_in, scheme, viewport):
    page = sign_in(house, "ada", color_scheme=scheme, viewport=viewport)
    found = {}
    paths = {
        "studio": "/",
        "extend": f"/generations/{shown['ready']}/extend/",
        "reuse": f"/generations/{shown['refused']}/reuse/",
        "video": f"/generations/{shown['child']}/",
        "refused": f"/generations/{shown['refused']}/",
        "filtered": "/?q=nothing+is+called+this&state=failed",
        "collections": "/collections/",
        "trash": "/trash/",
        "compare": f"/compare/?v={shown['ready']}&v={shown['child']}",
        "missing": "/generations/00000000-0000-4000-8000-000000000000/",
    }
    for name, path in paths.items():
        page.goto(house.url + path)
        found[name] = violations(page)
    page.goto(house.url)
    page.locator(".card:has(.select) .card-link").first.click(position={"x": 100, "y": 70})
    page.locator("#film-dialog[open] .film-page").wait_for()
    found["dialog"] = violations(page)
    page.keyboard.press("Escape")
    page.locator("#film-dialog").wait_for(state="hidden")
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
    # A page that is still open would notice that it was signed out and go to the login page itself.
    page.goto("about:blank")
    page.context.clear_cookies()
    page.goto(f"{house.url}/login/")
    found["login"] = violations(page)
    assert {name: ones for name, ones in found.items() if ones} == {}
