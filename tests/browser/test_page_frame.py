"""Every page but the studio has the same frame: its width, one link back, and the heading at one height."""

import pytest
from playwright.sync_api import Page, expect

from .posting import post

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}

FRAME = """() => {
    const seen = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility());
    const box = (one) => one.getBoundingClientRect();
    const [page] = seen(".page"), [heading] = seen("h1"), back = seen(".back");
    return {
        width: [box(page).left, box(page).right],
        heading: [box(heading).top + scrollY, getComputedStyle(heading).fontSize, getComputedStyle(heading).lineHeight],
        back: back.map((one) => [box(one).left, box(one).top + scrollY, box(one).height]),
    };
}"""


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_every_page_has_one_width_heading_height_and_link_back(site, shown, sign_in, viewport):
    page = sign_in(site, "ada", viewport=viewport)
    video = f"/generations/{shown['ready']}"
    frames = {}
    for path in (
        *("/team/", "/team/1/", "/team/budget/", "/team/changes/", "/team/shares/", "/usage/", "/profile/"),
        *("/provider/", "/provider/missing/", "/provider/account/", "/settings/health/", "/settings/storage/"),
        *("/settings/storage/rejected/", "/settings/sign-in/", "/settings/mail/", "/collections/", "/trash/"),
        *("/prompts/", "/clips/?side=end", f"{video}/shares/", "/nowhere/"),
    ):
        page.goto(site.url + path)
        frames[path] = page.evaluate(FRAME)
    page.goto(site.url)
    assert post(page, f"{video}/choice/", choice="maybe") == 400
    frames["400"] = page.evaluate(FRAME)
    page.goto(site.url)
    assert post(page, "/profile/password/") == 422
    frames["422"] = page.evaluate(FRAME)
    expected = frames["/team/"]
    assert len(expected["back"]) == 1
    assert {path: frame for path, frame in frames.items() if frame != expected} == {}


def _signed_out(page: Page, url: str) -> dict[str, float]:
    paths = ("/login/", "/password/", "/invitations/gone/", "/sign-in/gone/")
    tops = {}
    for path in paths:
        page.goto(url + path)
        tops[path] = page.locator("h1").bounding_box()["y"]
    page.goto(f"{url}/login/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password", exact=True).fill("not hers")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    tops["a wrong password"] = page.locator("h1").bounding_box()["y"]
    return tops


def test_the_heading_stays_in_place_on_the_pages_of_signing_in(site, open_page):
    page = open_page(site)
    assert len(set(_signed_out(page, site.url).values())) == 1
