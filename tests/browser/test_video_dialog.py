"""A video in the dialog and on its page: URL, focus, single frames and playback of a chain."""

import re

import pytest
from playwright.sync_api import expect

from .axe import violations

pytestmark = pytest.mark.motion

GAP = 50  # ms between two videos of a chain


@pytest.fixture(scope="module")
def videos(site) -> list[str]:
    """Create a video, its extension, and an extension of that."""
    visitor = site.visitor()
    made = [visitor.submit(prompt="A lighthouse in the fog")]
    for prompt in ("The lamp turns", "A ship answers"):
        visitor.wait_until_saved(made[-1])
        video_id = site.python(
            f"from videos.models import Generation\nprint(Generation.objects.get(uuid={made[-1]!r}).video_id)"
        )
        made.append(visitor.submit(action="extend", video_id=video_id.strip(), prompt=prompt))
    visitor.wait_until_saved(made[-1])
    return made


def test_the_dialog_has_a_url_and_returns_the_focus(site, videos, sign_in):
    page = sign_in(site, "ada")
    dialog = page.locator("#video-dialog")
    link = page.locator(f"#generation-{videos[0]} .card-link")
    link.focus()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    expect(page).to_have_url(re.compile(f"/generations/{videos[0]}/"))
    expect(page).to_have_title(re.compile("A lighthouse"))
    assert violations(page) == []
    page.go_back()
    expect(dialog).to_be_hidden()
    expect(link).to_be_focused()
    page.go_forward()
    expect(dialog).to_be_visible()
    dialog.get_by_role("link", name="Newer video").click()
    expect(page).to_have_url(re.compile(f"/generations/{videos[1]}/"))
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(re.compile(f"^{site.url}/(#|$)"))
    link.click()
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    page.go_forward()
    expect(dialog).to_be_visible()
    page.reload()
    expect(page.locator(f"article#generation-{videos[0]}")).to_be_visible()


def test_a_modified_click_opens_the_page(site, videos, sign_in):
    page = sign_in(site, "ada")
    with page.context.expect_page() as opened:
        page.locator(f"#generation-{videos[0]} .card-link").click(modifiers=["Control"])
    expect(opened.value.locator(f"article#generation-{videos[0]}")).to_be_visible()
    expect(page.locator("#video-dialog")).to_be_hidden()


def test_frames_are_stepped_through_one_by_one(site, videos, sign_in):
    page = sign_in(site, "ada")
    page.goto(f"{site.url}/generations/{videos[0]}/")
    picture = page.locator(".player-position")
    expect(picture).to_have_text(re.compile("· 1$"))
    page.wait_for_load_state("networkidle")
    for number in (2, 3, 4):
        page.get_by_role("button", name="Next frame").click()
        expect(picture).to_have_text(re.compile(f"· {number}$"))
    page.get_by_role("button", name="Previous frame").click()
    expect(picture).to_have_text(re.compile("· 3$"))


@pytest.mark.alone
def test_a_chain_plays_on_without_a_gap(site, videos, sign_in):
    page = sign_in(site, "ada")
    # Other load on the machine makes a gap longer, so take the best of three runs.
    worst = []
    for _ in range(3):
        page.goto(f"{site.url}/generations/{videos[2]}/")
        page.get_by_role("button", name=re.compile("from the start", re.I)).first.click()
        for place in ("1 of 3", "2 of 3", "3 of 3"):
            expect(page.locator(".chain-place")).to_have_text(place, timeout=20_000)
        shown = page.evaluate("document.querySelector('chain-player video[data-on]').src")
        assert videos[2] in shown
        gaps = page.evaluate("document.querySelector('chain-player').gaps")
        print("gaps between videos, ms:", [round(gap, 1) for gap in gaps])
        assert len(gaps) == 2
        worst.append(max(gaps))
        if worst[-1] < GAP:
            break
    assert min(worst) < GAP


@pytest.mark.parametrize("width", [360, 390, 768, 1024, 1440, 2560])
def test_the_page_fits_every_width(site, videos, sign_in, width):
    page = sign_in(site, "ada", viewport={"width": width, "height": 900})
    page.goto(f"{site.url}/generations/{videos[1]}/")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
