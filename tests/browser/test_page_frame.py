"""Every page but the studio has the same frame: its width, one link back, and the heading at one height."""

import pytest
from playwright.sync_api import Page, expect

from .pages import framed_paths, wide_paths
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
def test_every_page_has_one_width_heading_height_and_link_back(site, known, sign_in, viewport):
    page = sign_in(site, "ada", viewport=viewport)
    frames = {}
    for path in framed_paths(known):
        page.goto(site.url + path)
        frames[path] = page.evaluate(FRAME)
    page.goto(site.url)
    assert post(page, f"/generations/{known['ready']}/choice/", choice="maybe") == 400
    frames["400"] = page.evaluate(FRAME)
    page.goto(site.url)
    assert post(page, "/profile/password/") == 422
    frames["422"] = page.evaluate(FRAME)
    expected = frames["/team/"]
    assert len(expected["back"]) == 1 and expected["heading"][1] == "26px"
    assert {path: frame for path, frame in frames.items() if frame != expected} == {}
    for path in wide_paths(known):
        page.goto(site.url + path)
        frame = page.evaluate(FRAME)
        assert frame["heading"] == expected["heading"], path
        assert [back[1:] for back in frame["back"]] == [back[1:] for back in expected["back"]], path


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
