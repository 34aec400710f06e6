"""The player in every window, the size of the gallery's cards, and forced colors."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from ..support.installation import Installation
from .studio import card, three_videos

SHAPES = {"9:16": (752, 1360), "1:1": (1024, 1024), "16:9": (1360, 752)}
RESHAPE = """
from videos.models import Generation
Generation.objects.filter(uuid={uuid!r}).update(shape={shape!r}, video_width={width}, video_height={height})
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Start a separate installation: the sizes of cards depend on the videos beside them."""
    site = Installation(tmp_path_factory.mktemp("sizes")).start()
    site.add_member("ben")
    yield site
    site.stop()


@pytest.fixture(scope="module")
def shown(site) -> dict[str, str]:
    return three_videos(site)


def reshape(site, uuid: str, shape: str) -> None:
    width, height = SHAPES[shape]
    site.python(RESHAPE.format(uuid=uuid, shape=shape, width=width, height=height))


def within(page: Page, element: Locator) -> bool:
    box = element.bounding_box()
    return bool(box) and box["y"] >= 0 and box["y"] + box["height"] <= page.viewport_size["height"]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_actions_of_a_video_are_in_sight(site, shown, sign_in, shape):
    page = sign_in(site, "ada")
    reshape(site, shown["ready"], shape)
    try:
        for width, height in ((1440, 900), (1024, 768), (390, 844), (1920, 1080)):
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"{site.url}/generations/{shown['ready']}/")
            expect(page.locator("video-player:defined")).to_be_visible()
            for name in ("Extend", "Reuse"):
                assert within(page, page.get_by_role("link", name=name).first), f"{name} at {width} px"
    finally:
        reshape(site, shown["ready"], "16:9")


def test_the_player_uses_a_large_screen(site, shown, sign_in):
    page = sign_in(site, "ada", viewport={"width": 2560, "height": 1440})
    page.goto(f"{site.url}/generations/{shown['ready']}/")
    assert page.locator(".stage video").bounding_box()["width"] > 1700
    page.goto(site.url)
    card(page, shown["ready"]).locator(".card-link").focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#video-dialog")
    expect(dialog.locator("video-player:defined")).to_be_visible()
    assert dialog.locator(".stage video").bounding_box()["width"] > 1600


def test_a_missing_neighbor_leaves_its_place_free(site, shown, sign_in):
    """Otherwise an arrow would move under the pointer that has just pressed the other one."""
    page = sign_in(site, "ada", viewport={"width": 390, "height": 844})
    places = {}
    for uuid in (shown["child"], shown["ready"]):
        page.goto(f"{site.url}/generations/{uuid}/?q={'still' if uuid == shown['ready'] else 'lands'}")
        expect(page.locator(".video-nav a")).to_have_count(0)
        page.goto(f"{site.url}/generations/{uuid}/")
        for arrow in page.locator(".video-nav a").all():
            places.setdefault(arrow.get_attribute("rel"), set()).add(arrow.bounding_box()["x"])
    assert all(len(xs) == 1 for xs in places.values()), places


@pytest.mark.parametrize("with_script", [True, False], ids=["script", "no script"])
def test_cards_come_in_three_sizes_that_are_kept(site, shown, sign_in, with_script):
    page = sign_in(site, "ben", java_script_enabled=with_script)
    sizes = page.get_by_role("group", name="Card size")
    heights = []
    for name in ("Small", "Medium", "Large"):
        sizes.get_by_role("button", name=name).click()
        expect(sizes.get_by_role("button", name=name, pressed=True)).to_be_visible()
        if with_script:
            expect(sizes.get_by_role("button", name=name)).to_be_focused()
        heights.append(card(page, shown["ready"]).bounding_box()["height"])
    assert heights[0] * 1.3 < heights[1] < heights[2] / 1.3
    page.reload()
    expect(sizes.get_by_role("button", name="Large", pressed=True)).to_be_visible()
    for width in (360, 768, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        assert card(page, shown["ready"]).bounding_box()["width"] <= width
    sizes.get_by_role("button", name="Medium").click()
    expect(sizes.get_by_role("button", name="Medium", pressed=True)).to_be_visible()


BACKGROUND = "one => getComputedStyle(one).backgroundColor"


def test_chosen_controls_are_visible_in_forced_colors(site, shown, sign_in):
    page = sign_in(site, "ada")
    page.emulate_media(forced_colors="active")
    page.goto(f"{site.url}/?state=ready&ratio=16%3A9")
    chosen = page.evaluate(
        """() => {
            const probe = Object.assign(document.createElement("i"), {hidden: false});
            document.body.append(probe);
            probe.style.cssText = "forced-color-adjust: none; background: Highlight";
            return getComputedStyle(probe).backgroundColor;
        }"""
    )
    page.locator(".card .select").first.check(force=True)
    pairs = {
        "filter": (page.get_by_role("link", name="Ready"), page.get_by_role("link", name="Failed")),
        "menu": (page.get_by_role("button", name="Ratio: 16:9"), page.get_by_role("button", name="Mode")),
        "mode": (
            page.locator(".bar label", has_text="Text").first,
            page.locator(".bar label", has_text="Frames").first,
        ),
        "ratio": (page.locator(".ratio:has(:checked)"), page.locator(".ratio:not(:has(:checked))").first),
        "size": (page.get_by_role("button", name="Medium"), page.get_by_role("button", name="Large")),
        "selection": (page.locator(".select:checked"), page.locator(".select:not(:checked)").first),
    }
    for name, (on, off) in pairs.items():
        assert on.evaluate(BACKGROUND) == chosen, name
        assert off.evaluate(BACKGROUND) != chosen, name
    page.goto(f"{site.url}/generations/{shown['ready']}/")
    with page.expect_response(re.compile("/choice/")):
        page.get_by_role("button", name="Pick").click()
    expect(page.get_by_role("button", name="Pick", pressed=True)).to_be_visible()
    for on in (page.get_by_role("button", name="Pick"), page.locator(".bar label:has(:checked)").first):
        assert on.evaluate(BACKGROUND) == chosen
    with page.expect_response(re.compile("/choice/")):
        page.get_by_role("button", name="Pick").click()
