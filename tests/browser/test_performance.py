"""Limits of the studio: bytes, requests, layout shifts, memory and page width."""

import pytest

from ..support.installation import Installation
from .many_videos import add_videos
from .widths import WIDTHS

pytestmark = pytest.mark.motion

KB = 1024


@pytest.fixture(scope="module")
def full_site(tmp_path_factory):
    """Start an installation with enough videos for many pages of the gallery."""
    site = Installation(tmp_path_factory.mktemp("full")).start()
    site.add_member("ben")
    add_videos(site, 1000)
    yield site
    site.stop()


# What was fetched until the page was at rest, pictures and videos aside. Sizes are those of the compressed bodies.
FETCHED = """() => performance.getEntries()
    .filter(({entryType, initiatorType}) => ["navigation", "resource"].includes(entryType)
        && !["img", "video"].includes(initiatorType))
    .map(({name, transferSize, encodedBodySize}) => ({name, transferSize, encodedBodySize}))"""


def fetched(page, url: str) -> list[dict]:
    page.goto(url, wait_until="networkidle")
    page.wait_for_timeout(300)
    return page.evaluate(FETCHED)


def test_the_first_load_is_small_and_its_files_are_cached(full_site, sign_in):
    page = sign_in(full_site, "ada")
    # As on a first visit: signing in has already loaded some of it.
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    first = fetched(page, full_site.url)
    total = sum(one["encodedBodySize"] for one in first)
    for one in sorted(first, key=lambda one: -one["encodedBodySize"]):
        print(one["encodedBodySize"], one["name"].removeprefix(full_site.url))
    print(f"{len(first)} requests, {total / KB:.1f} KB")
    assert len(first) <= 25
    assert total < 60 * KB
    static = [one["name"] for one in first if "/static/" in one["name"]]
    assert len(static) > 10
    for address in static:
        assert "immutable" in page.request.get(address).headers["cache-control"], address
    again = fetched(page, full_site.url)
    assert not [one["name"] for one in again if "/static/" in one["name"] and one["transferSize"]]


SHIFTS = """() => {
    window.shifts = 0;
    window.shifted = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) {
            window.shifts += entry.value;
            const moved = ({ node, previousRect: from, currentRect: to }) => [node?.outerHTML?.slice(0, 60), from, to];
            window.shifted.push(JSON.stringify([entry.value, entry.startTime, entry.sources.map(moved)]));
        }
    }).observe({ type: "layout-shift", buffered: true });
}"""


@pytest.mark.alone  # older videos have to arrive before one has scrolled to them
@pytest.mark.parametrize("width", [390, 1440])
def test_the_layout_does_not_shift_while_loading_and_scrolling(full_site, sign_in, width):
    page = sign_in(full_site, "ada", first_visit=True, viewport={"width": width, "height": 900})
    page.mouse.move(0, 0)  # off the cards: a card that is pointed at plays
    page.goto(full_site.url, wait_until="networkidle")
    page.evaluate(SHIFTS)
    for _ in range(6):
        page.mouse.wheel(0, 900)
        page.wait_for_timeout(150)
    page.wait_for_timeout(300)
    shifted = page.evaluate("window.shifts")
    print(f"layout shift at {width} px: {shifted:.4f}")
    assert shifted < 0.02, "\n".join(page.evaluate("window.shifted"))


def test_a_slow_browser_draws_no_partial_gallery(full_site, sign_in):
    """The last row of a partial gallery fills the width, and shifts when more videos arrive."""
    page = sign_in(full_site, "ada", first_visit=True, viewport={"width": 1440, "height": 900})
    page.mouse.move(0, 0)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 8})
    for _ in range(3):
        page.goto(full_site.url, wait_until="networkidle")
        page.evaluate(SHIFTS)
        page.wait_for_timeout(300)
        assert page.evaluate("window.shifts") < 0.02, "\n".join(page.evaluate("window.shifted"))


def test_posters_are_small(full_site, sign_in):
    page = sign_in(full_site, "ada")
    page.goto(full_site.url, wait_until="networkidle")
    sizes = page.evaluate(
        """async () => Promise.all([...document.querySelectorAll(".card-media img")].slice(0, 12).map(
            async ({src}) => (await (await fetch(src)).blob()).size))"""
    )
    assert len(sizes) == 12
    assert max(sizes) <= 20_000


def test_a_thousand_cards_use_steady_memory_and_load_one_video(full_site, sign_in):
    page = sign_in(full_site, "ada", first_visit=True)
    page.goto(full_site.url, wait_until="networkidle")
    session = page.context.new_cdp_session(page)

    def heap() -> float:
        session.send("HeapProfiler.collectGarbage")
        return session.send("Runtime.getHeapUsage")["usedSize"] / KB / KB

    page.evaluate(
        """() => {
            window.mostVideos = 0;
            new MutationObserver(() => {
                const count = document.querySelectorAll("video").length;
                window.mostVideos = Math.max(window.mostVideos, count);
            }).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    before = heap()
    while page.locator(".card").count() < 1000:
        shown = page.locator(".card").count()
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_function("shown => document.querySelectorAll('.card').length > shown", arg=shown)
        # Hovering over what happens to be there starts a video each time.
        page.mouse.move(700, 300)
        page.wait_for_timeout(120)
        page.mouse.move(1100, 500)
        page.wait_for_timeout(60)
    grown = heap()
    for top in (0, 10**7) * 6:
        page.evaluate("top => scrollTo(0, top)", top)
        page.mouse.move(700, 350)
        page.wait_for_timeout(220)
        page.mouse.move(1000, 450)
        page.wait_for_timeout(60)
    after = heap()
    print(f"heap: {before:.1f} MB with 48 cards, {grown:.1f} MB with 1,000, {after:.1f} MB after scrolling to and fro")
    assert page.evaluate("window.mostVideos") == 1
    assert after < grown * 1.2 + 1
    assert after < 60


@pytest.mark.parametrize("path", ["/", "/?before=500", "/trash/", "/?q=nothing+is+called+this"])
def test_no_page_is_wider_than_its_window(full_site, sign_in, path):
    page = sign_in(full_site, "ada")
    page.goto(full_site.url + path)
    wide = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            wide[width] = over
    assert not wide
