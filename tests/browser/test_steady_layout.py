"""Nothing in the studio moves unless a member moves it, and a poll brings no card that the page does not show."""

import pytest
from playwright.sync_api import Page, expect

from ..support.installation import Installation
from .studio import card, generate, ready, three_videos

pytestmark = pytest.mark.motion

# Records each layout shift from now on: its size and the element that moved.
WATCH_SHIFTS = """() => {
    window.shifts = [];
    const box = ({x, y, width, height}) => [x, y, width, height].map(Math.round).join(" ");
    new PerformanceObserver(list => {
        for (const {value, hadRecentInput, sources} of list.getEntries()) if (!hadRecentInput)
            for (const {node, previousRect, currentRect} of sources)
                // Cards make room for a new one, and a removed one is no node any more.
                if (node && !(node.closest ? node : node.parentElement).closest(".grid"))
                    window.shifts.push([value, node.outerHTML, box(previousRect), box(currentRect)].join(" | "));
    }).observe({type: "layout-shift", buffered: true});
}"""
PLACES = """() => Object.fromEntries(
    [".search", ".filters", ".day-head", ".top .avatar"].map(one => {
        const {x, y} = document.querySelector(one).getBoundingClientRect();
        return [one, [Math.round(x), Math.round(y)]];
    }))"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Start a separate installation: videos of other tests in progress would change the page and the counts."""
    site = Installation(tmp_path_factory.mktemp("steady")).start()
    site.add_member("ben")
    yield site
    site.stop()


@pytest.fixture(scope="module")
def shown(site) -> dict[str, str]:
    return three_videos(site)


def watch_errors(page: Page) -> list[str]:
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("requestfailed", lambda request: errors.append(request.url) if "/live/" in request.url else None)
    return errors


def trouble(site, health: str) -> None:
    site.python(f"from videos.models import ApiToken\nApiToken.objects.update(health={health!r})")


@pytest.mark.parametrize(
    "viewport", [{"width": 1440, "height": 900}, {"width": 390, "height": 844}], ids=["desk", "phone"]
)
def test_nothing_moves_while_videos_come_change_and_go(site, shown, sign_in, viewport):
    page = sign_in(site, "ada", viewport=viewport)
    errors = watch_errors(page)
    page.mouse.move(0, 0)  # off the cards: a card that is pointed at plays
    page.goto(site.url, wait_until="networkidle")
    expect(page.locator("#in-flight")).to_be_hidden()
    page.evaluate(WATCH_SHIFTS)
    before = page.evaluate(PLACES)
    ben = site.visitor("ben")
    good, bad = ben.submit(prompt="A steady horizon"), ben.submit(prompt="A storm [refuse]")
    expect(card(page, bad)).to_have_attribute("data-state", "failed", timeout=20_000)
    ready(page, good)
    trouble(site, "used_up")
    try:
        waiting = ben.submit(prompt="One that waits")
        expect(card(page, waiting)).to_be_visible()
        expect(page.locator("#in-flight")).to_have_text("0 of 1 in flight")
        expect(page.locator("#token-note")).to_contain_text("is used up")
        expect(page.locator("#token-note")).to_be_in_viewport()
        assert page.evaluate(PLACES) == before
    finally:
        trouble(site, "ok")
    ready(page, waiting)
    ben.post("/selection/trash/", v=[bad, waiting])
    expect(card(page, bad)).to_have_count(0)
    expect(page.locator("#in-flight")).to_be_hidden()
    assert page.evaluate(PLACES) == before
    assert page.evaluate("window.shifts") == []
    assert errors == []


@pytest.mark.parametrize("width", [390, 1024, 1440, 2560])
def test_filters_leave_everything_in_its_place(site, shown, sign_in, width):
    page = sign_in(site, "ada", viewport={"width": width, "height": 900})
    before = page.evaluate(PLACES)
    for query in ("state=ready", "mode=text&state=ready&since=2020-01-01", "member=ada&ratio=16%3A9&q=heron"):
        page.goto(f"{site.url}/?{query}")
        expect(page.get_by_role("link", name="Clear", exact=True)).to_be_attached()
        assert page.evaluate(PLACES) == before, query


@pytest.mark.parametrize("width", [861, 900, 1440])
def test_the_names_of_filter_menus_are_shown_in_full(site, shown, sign_in, width):
    page = sign_in(site, "ada", viewport={"width": width, "height": 900})
    names = page.locator(".filter-group > button span")
    assert names.all_inner_texts() == ["State", "Mode", "Ratio", "Member", "Pick", "Date"]
    for query in ("", "?mode=text&ratio=16%3A9&since=2020-01-01"):
        page.goto(f"{site.url}/{query}")
        assert names.evaluate_all("all => all.filter((one) => one.scrollWidth > one.clientWidth)") == []
    if width >= 900:
        page.goto(site.url)
        for name in page.locator(".filter-group > button").all():
            expect(name).to_be_in_viewport(ratio=1)


def test_a_filtered_gallery_swaps_no_card_that_it_does_not_show(site, shown, sign_in):
    page = sign_in(site, "ada")
    errors = watch_errors(page)
    page.goto(f"{site.url}/?state=failed&member=ada")
    with page.expect_response(lambda answer: "/live/" in answer.url and answer.status == 200):
        other = site.visitor("ben").submit(prompt="Not for this page")
    # What a member submits shows, and is kept current, whatever the filters.
    own = generate(page, "A lighthouse that the filter excludes")
    ready(page, own)
    expect(card(page, other)).to_have_count(0)
    refused = site.visitor("ada").submit(prompt="For this page [refuse]")
    expect(card(page, refused)).to_be_visible(timeout=20_000)
    # An action in another tab concerns cards that this page does not show.
    site.visitor("ben").post("/selection/trash/", v=other)
    site.visitor("ada").post("/selection/trash/", v=[refused, own])
    expect(card(page, refused)).to_have_count(0)
    assert errors == []
