"""No page is wider than its window, and no control lies outside it, on narrow and wide windows."""

import pytest
from playwright.sync_api import Page, expect

from ..support.installation import Installation
from .many_videos import add_videos

WIDTHS = (360, 768, 1024, 1440, 2560)
ENDLESS = "Donaudampfschifffahrtsgesellschaft" * 8
ARABIC = "مركب شراعي يعبر البحر عند الغروب، والضوء على الماء. " * 6

# Returns how far the page exceeds the window, and the controls beyond the edge that no scrolling reaches.
WIDE = """() => {
    const page = document.documentElement;
    const isScroller = one => ["auto", "scroll"].includes(getComputedStyle(one).overflowX);
    const scrolls = one => one && (isScroller(one) || scrolls(one.parentElement));
    const beyond = [...document.querySelectorAll("a, button, input, select, textarea, summary, video")].filter(one => {
        const {left, right, width, height} = one.getBoundingClientRect();
        if (!one.checkVisibility({visibilityProperty: true}) || width < 2 || height < 2) return false;
        return (left < -1 || right > innerWidth + 1) && !scrolls(one.parentElement);
    });
    return [page.scrollWidth - page.clientWidth, beyond.map(one => one.outerHTML.slice(0, 160))];
}"""


def too_wide(page: Page) -> dict[int, list]:
    found = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        over, beyond = page.evaluate(WIDE)
        if over > 0 or beyond:
            found[width] = [over, *beyond]
    return found


@pytest.fixture(scope="module")
def crowded_site(tmp_path_factory):
    """Start an installation with unbreakable words, two scripts, a failure, long names and a trashed video."""
    crowded_site = Installation(tmp_path_factory.mktemp("stuffed")).start()
    try:
        crowded_site.add_member("ben")
        stuff(crowded_site)
        yield crowded_site
    finally:
        crowded_site.stop()


def stuff(site: Installation) -> None:
    add_videos(site, 24, minutes=1)
    visitor = site.visitor()
    visitor.wait_for(visitor.submit(prompt=f"[refuse] {ENDLESS}"), "failed")
    made = site.python(
        "from videos.models import Generation\n"
        "rows = list(Generation.objects.filter(state='completed').order_by('-pk'))\n"
        "for n, row in enumerate(rows[:8]):\n"
        f"    words = ({ENDLESS!r}, {ARABIC!r})[n % 2]\n"
        "    Generation.objects.filter(pk=row.pk).update(prompt=words, search_text='endless')\n"
        "print(*[row.uuid for row in rows])"
    ).split()
    for name in ("w" * 80, "A project", ARABIC[:80]):
        visitor.post("/selection/collections/", v=made[:3], name=name)
    visitor.post("/selection/trash/", v=[*made[6:8], *made[20:22]])


@pytest.fixture(scope="module")
def uuids(crowded_site) -> list[str]:
    """Return the videos with the longest words."""
    return crowded_site.python(
        "from videos.models import Generation\n"
        "print(*Generation.objects.filter(search_text='endless').order_by('-pk').values_list('uuid', flat=True))"
    ).split()


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/", ".card"),
        ("/?q=endless&ratio=16%3A9&member=ada&state=ready&starred=1", ".empty"),
        ("/?q=endless", ".card"),
        ("/?state=failed", ".notice-card"),
        ("/collections/", ".collection-card"),
        ("/trash/", ".trashed"),
        ("/prompts/", ".prompt-option"),
        ("/clips/?side=end", ".video-picker-item"),
        ("/clips/?side=extend", ".video-picker-choice"),
        ("/nowhere/", ".page-head"),
    ],
    ids=["studio", "nothing found", "found", "failed", "collections", "trash", "prompts", "videos", "to extend", "404"],
)  # fmt: skip
def test_a_page_fits_every_width(crowded_site, sign_in, path, there):
    page = sign_in(crowded_site, "ada")
    page.goto(crowded_site.url + path)
    expect(page.locator(there).first).to_be_visible()
    assert too_wide(page) == {}


def test_a_collection_and_its_selection_fit_every_width(crowded_site, sign_in):
    page = sign_in(crowded_site, "ada")
    page.goto(f"{crowded_site.url}/collections/")
    page.locator(".collection-link").first.click()
    page.wait_for_url("**collection=**")
    page.locator(".card .select").first.check(force=True)
    expect(page.locator("#selection")).to_contain_text("1 selected")
    assert too_wide(page) == {}


@pytest.mark.parametrize("count", [2, 3, 4])
def test_videos_side_by_side_fit_every_width(crowded_site, uuids, sign_in, count):
    page = sign_in(crowded_site, "ada")
    page.goto(f"{crowded_site.url}/compare/?{'&'.join(f'v={uuid}' for uuid in uuids[:count])}")
    expect(page.locator(".lane")).to_have_count(count)
    expect(page.locator("video-compare:defined")).to_be_visible()
    assert too_wide(page) == {}


def test_the_page_of_a_video_fits_every_width(crowded_site, uuids, sign_in):
    page = sign_in(crowded_site, "ada")
    for uuid in uuids[:2]:
        page.goto(f"{crowded_site.url}/generations/{uuid}/")
        expect(page.locator("video-player:defined")).to_be_visible()
        assert too_wide(page) == {}


def test_a_video_in_the_dialog_fits_every_width(crowded_site, uuids, sign_in):
    page = sign_in(crowded_site, "ada")
    dialog = page.locator("#video-dialog")
    for uuid in uuids[:2]:
        page.locator(f"#generation-{uuid} .card-link").focus()
        page.keyboard.press("Enter")
        expect(dialog.locator(f"#video-{uuid} video-player:defined")).to_be_visible()
        assert too_wide(page) == {}
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert dialog.evaluate("one => one.scrollWidth <= one.clientWidth"), width
            box = dialog.bounding_box()
            assert 0 <= box["x"] <= box["x"] + box["width"] <= width, width
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()


def test_menus_and_dialogs_of_the_studio_fit_every_width(crowded_site, sign_in):
    page = sign_in(crowded_site, "ada")
    page.get_by_role("button", name="Account of ada").click()
    expect(page.locator("#account")).to_be_visible()
    assert too_wide(page) == {}
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert too_wide(page) == {}


def test_the_login_fits_every_width(crowded_site, browser):
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{crowded_site.url}/login/")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert too_wide(page) == {}
        page.get_by_label("Username").fill("w" * 100)
        page.get_by_label("Password").fill("not hers")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert too_wide(page) == {}
    finally:
        context.close()
