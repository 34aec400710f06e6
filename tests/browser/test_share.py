"""A guest watches a shared video in a separate browser until the link is revoked."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from .axe import NARROW, WIDE, violations
from .widths import assert_no_wider_than_the_window

pytestmark = pytest.mark.motion

VIDEOS = ("A harbour before the rain", "The first drops fall", "A boat comes home")


@pytest.fixture(scope="module")
def videos(site) -> list[str]:
    """Create a video of Ben's, its extension, and an extension of that."""
    visitor = site.visitor("ben")
    made = [visitor.submit(prompt=VIDEOS[0])]
    for prompt in VIDEOS[1:]:
        visitor.wait_until_saved(made[-1])
        code = f"from videos.models import Generation\nprint(Generation.objects.get(uuid={made[-1]!r}).video_id)"
        made.append(visitor.submit(action="extend", video_id=site.python(code), prompt=prompt))
    visitor.wait_until_saved(made[-1])
    return made


@pytest.fixture
def stranger(site, open_page) -> Callable[..., Page]:
    """Return a function that opens a guest's page in a separate context; page errors fail the test."""
    return partial(open_page, site, "a stranger")


def open_panel(page: Page, site, uuid: str):
    page.goto(f"{site.url}/generations/{uuid}/")
    page.get_by_role("button", name="Share").click()
    panel = page.locator("#share")
    expect(panel.get_by_role("button", name="Create link")).to_be_visible()
    return panel


def make(panel, *, chain: bool = False, with_prompt: bool = False) -> str:
    """Create a link in the panel and return its URL."""
    if chain:
        panel.get_by_label("The chain up to this video").check()
    panel.get_by_label("Show the prompt").set_checked(with_prompt)
    before = panel.locator(".share").count()
    panel.get_by_role("button", name="Create link").click()
    expect(panel.locator(".share")).to_have_count(before + 1)
    expect(panel.locator(".share").first).to_have_attribute("data-made", "")
    return panel.locator(".share").first.locator("code").inner_text()


MAKE = """
from videos.models import Generation, Share
first, last = (Generation.objects.select_related("member").get(uuid=uuid) for uuid in {uuids!r})
for row, chain, words in ((first, False, True), (first, False, False), (last, True, True)):
    print(Share.objects.create_for(row, row.member, days=7, chain=chain, with_prompt=words).secret_path)
"""


@pytest.fixture(scope="module")
def links(site, videos) -> dict[str, str]:
    """Return the shared links, by what they share."""
    made = site.python(MAKE.format(uuids=(videos[0], videos[2]))).split()
    addresses = dict(zip(("with words", "without words", "chain"), made, strict=True))
    return {name: site.url + path for name, path in (addresses | {"gone": "/watch/nothing/here/"}).items()}


def plays(page: Page, video: str) -> None:
    page.wait_for_function("name => document.querySelector(name)?.currentTime > 0.2", arg=video)


def test_a_video_is_shared_watched_without_an_account_and_revoked(site, videos, sign_in, stranger):
    member = sign_in(site, "ada")
    panel = open_panel(member, site, videos[1])
    link = make(panel)
    assert link.startswith(f"{site.url}/watch/")

    guest = stranger()
    answer = guest.goto(link)
    assert answer.status == 200 and not guest.context.cookies()
    guest.evaluate("document.querySelector('video').muted = true")
    guest.evaluate("document.querySelector('video').play()")
    plays(guest, "video")
    source = guest.content()
    for word in (*VIDEOS, "ada", "ben", "csrf", "/login", "/generations/", "htmx"):
        assert not re.search(rf"\b{re.escape(word)}\b" if word.isalpha() else re.escape(word), source), word
    part = guest.evaluate(
        """async () => {
            const answer = await fetch(document.querySelector("video").currentSrc, { headers: { Range: "bytes=4-7" } });
            return [answer.status, await answer.text()];
        }"""
    )
    assert part == [206, "ftyp"]
    with guest.expect_download() as download:
        guest.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "video.mp4"

    panel.get_by_role("button", name="Close").click()
    member.get_by_role("button", name="Share").click()
    expect(panel.locator(".share").first).to_contain_text("opened once")
    panel.get_by_role("button", name="Revoke").first.click()
    expect(panel).to_contain_text("no longer opens anything")
    assert guest.goto(link).status == 404
    expect(guest.get_by_role("heading", name="This link is no longer valid")).to_be_visible()
    assert guest.request.get(f"{link}{videos[1]}/video").status == 404
    assert link.rstrip("/").rpartition("/")[2] not in site.log.read_text()


def test_a_chain_plays_through_on_the_watch_page(site, videos, sign_in, stranger):
    member = sign_in(site, "ben")
    loads = []
    member.on("request", lambda request: loads.append(request.method) if request.url.endswith("/shares/") else None)
    link = make(open_panel(member, site, videos[2]), chain=True, with_prompt=True)
    assert loads == ["GET", "POST"], "a second load would undo the choices"
    guest = stranger()
    guest.goto(link)
    for words in VIDEOS:
        expect(guest.get_by_text(words)).to_be_visible()
    expect(guest.locator(".guest-videos video").first).to_be_hidden()
    guest.get_by_role("button", name="Play 3 videos").click()
    for place in ("1 of 3", "2 of 3", "3 of 3"):
        expect(guest.locator(".chain-place")).to_have_text(place, timeout=30_000)
    guest.get_by_role("button", name="Stop and close").click()
    expect(guest.get_by_role("button", name="Play 3 videos")).to_be_focused()


def test_without_javascript_links_are_created_and_videos_are_listed(site, videos, sign_in, stranger):
    member = sign_in(site, "ada", java_script_enabled=False)
    member.goto(f"{site.url}/generations/{videos[2]}/")
    member.get_by_role("button", name="Share").click()
    member.get_by_role("link", name="Create a link, or see existing links").click()
    member.get_by_label("The chain up to this video").check()
    member.get_by_label("1 day").check()
    member.get_by_role("button", name="Create link").click()
    member.wait_for_url(re.compile("#link-"))
    link = member.locator(".share").first.locator("code").inner_text()
    guest = stranger(java_script_enabled=False)
    guest.goto(link)
    expect(guest.locator(".guest-videos video")).to_have_count(3)
    for number in (0, 1, 2):
        expect(guest.locator(".guest-videos video").nth(number)).to_be_visible()
    expect(guest.locator("chain-player")).to_be_hidden()
    member.get_by_role("button", name="Revoke").first.click()
    expect(member.get_by_text("no longer opens anything")).to_be_visible()
    assert guest.goto(link).status == 404


def test_the_link_is_copied_and_the_panel_works_in_the_dialog(site, videos, sign_in):
    page = sign_in(site, "ada", permissions=["clipboard-read", "clipboard-write"])
    page.locator(f"#generation-{videos[0]} .card-link").click(position={"x": 60, "y": 60})
    dialog = page.locator("#video-dialog")
    dialog.get_by_role("button", name="Share").click()
    panel = dialog.locator("#share")
    expect(panel.get_by_role("button", name="Create link")).to_be_visible()
    expect(panel.get_by_label("The chain up to this video")).to_have_count(0)
    link = make(panel)
    panel.get_by_role("button", name="Copy link").first.click()
    page.wait_for_function("async link => await navigator.clipboard.readText() === link", arg=link)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(dialog).to_be_visible()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_sharing_has_no_axe_violation(site, videos, links, sign_in, stranger, scheme, viewport):
    found = {}
    options = {"color_scheme": scheme, "viewport": viewport}
    guest = stranger(**options)
    for name, address in links.items():
        guest.goto(address)
        found[name] = violations(guest)
    member = sign_in(site, "ada", **options)
    panel = open_panel(member, site, videos[2])
    found["panel"] = violations(member)
    make(panel, chain=True)
    found["made"] = violations(member)
    for name, path in {"page": f"/generations/{videos[2]}/shares/", "team": "/team/shares/"}.items():
        member.goto(site.url + path)
        found[name] = violations(member)
    assert {name: ones for name, ones in found.items() if ones} == {}


@pytest.mark.parametrize("width", [360, 390, 768, 1440, 2560])
def test_no_page_of_sharing_is_wider_than_its_window(site, videos, links, sign_in, stranger, width):
    options = {"viewport": {"width": width, "height": 800}}
    guest, member = stranger(**options), sign_in(site, "ada", **options)
    pages = [(guest, link) for link in links.values()]
    pages += [(member, site.url + path) for path in (f"/generations/{videos[2]}/shares/", "/team/shares/")]
    assert_no_wider_than_the_window(pages)
    open_panel(member, site, videos[2])
    assert member.evaluate(
        "(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)(document.querySelector('#share'))"
    )
