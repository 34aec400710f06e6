"""A member shares several videos; a guest in another browser plays and downloads them until the link is revoked."""

import re
import zipfile
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from .axe import NARROW, WIDE, violations
from .widths import WIDTHS, assert_no_wider_than_the_window

pytestmark = pytest.mark.motion

VIDEOS = {"A lantern on the pier": "16:9", "A diver turns": "9:16", "Salt on a stone": "1:1"}


@pytest.fixture(scope="module")
def videos(site) -> list[str]:
    """Create three videos of Ben's in different ratios, and a collection with them; return their uuids."""
    visitor = site.visitor("ben")
    made = [visitor.submit(prompt=prompt, aspect_ratio=ratio) for prompt, ratio in VIDEOS.items()]
    for uuid in made:
        visitor.wait_until_saved(uuid)
    site.python(
        "from videos.models import Collection, Generation, Member\n"
        "collection, _ = Collection.objects.named('Client Orion', Member.objects.get(username='ben'))\n"
        f"collection.add(Generation.objects.filter(uuid__in={made!r}), collection.created_by)"
    )
    return made


@pytest.fixture
def stranger(site, open_page) -> Callable[..., Page]:
    """Return a function that opens a guest's page in a separate context; page errors fail the test."""
    return partial(open_page, site, "a stranger")


def collection_path(site) -> str:
    code = "from videos.models import Collection\nprint(Collection.objects.get(name='Client Orion').uuid)"
    return f"/collections/{site.python(code).strip()}/shares/"


def select(page: Page, videos: list[str]) -> None:
    for uuid in videos:
        page.locator(f"#generation-{uuid}").hover()
        page.locator(f"#generation-{uuid}").get_by_role("checkbox", name="Select").click()


def share_selection(page: Page, title: str):
    """Open the dialog from the selection bar, create a link and return the dialog and the link."""
    page.locator("#selection").get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog", name=re.compile("Share"))
    dialog.get_by_label("Title").fill(title)
    dialog.get_by_role("button", name="Create link").click()
    expect(dialog.locator(".share[data-made]")).to_be_visible()
    return dialog, dialog.locator(".share[data-made] code").inner_text()


MAKE = """
from videos.models import Collection, Generation, Share
rows = list(Generation.objects.filter(uuid__in={videos!r}).order_by("pk"))
collection = Collection.objects.get(name="Client Orion")
titles = {{"titled": "Dailies, 28 November", "plain": "", "long": "استمرارية المشهد الأول 第一集 " * 4}}
for title in titles.values():
    share = Share.objects.create_for_videos(
        rows, rows[0].member, days=7, title=title[:120], with_prompt=bool(title), download=bool(title),
        collection=collection, follows=title.startswith("Dailies"))
    print(share.secret_path)
"""


@pytest.fixture(scope="module")
def links(site, videos) -> dict[str, str]:
    made = site.python(MAKE.format(videos=videos)).split()
    return {name: site.url + path for name, path in zip(("titled", "plain", "long"), made, strict=True)}


def plays(page: Page, place: str) -> None:
    expect(page.locator(".chain-place")).to_have_text(place, timeout=30_000)
    page.wait_for_function("() => document.querySelector('.chain video[data-on]')?.currentTime > 0.1")


def test_a_selection_is_shared_played_in_order_downloaded_and_revoked(site, videos, sign_in, stranger, tmp_path):
    member = sign_in(site, "ada")
    select(member, videos[:2])
    dialog, link = share_selection(member, "Dailies for Orion")
    guest = stranger()
    answer = guest.goto(link)
    assert answer.status == 200 and not guest.context.cookies()
    expect(guest.get_by_role("heading", name="Dailies for Orion", level=1)).to_be_visible()
    expect(guest.get_by_text("2 videos")).to_be_visible()
    source = guest.content()
    for word in (*VIDEOS, "ada", "ben", "csrf", "/login", "/generations/", "htmx", videos[2]):
        assert not re.search(rf"\b{re.escape(word)}\b" if word.isalpha() else re.escape(word), source), word

    # The selection's order is the gallery's: the newest first.
    guest.get_by_role("button", name="Play all").click()
    plays(guest, "1 of 2")
    assert videos[1] in guest.evaluate("document.querySelector('.chain video[data-on]').src")
    plays(guest, "2 of 2")
    assert videos[0] in guest.evaluate("document.querySelector('.chain video[data-on]').src")
    guest.get_by_role("button", name="Previous video").click()
    plays(guest, "1 of 2")
    guest.keyboard.press("ArrowRight")
    plays(guest, "2 of 2")
    guest.get_by_role("button", name="Next video").click()
    expect(guest.locator(".chain-place")).to_have_text("2 of 2")
    guest.keyboard.press("Escape")
    guest.get_by_role("link", name="Play video 2").click()
    plays(guest, "2 of 2")
    guest.get_by_role("button", name="Stop and close").click()
    expect(guest.get_by_role("link", name="Play video 2")).to_be_focused()

    with guest.expect_download() as download:
        guest.get_by_role("link", name="Download video 1").click()
    assert download.value.suggested_filename == "dailies-for-orion-01.mp4"
    with guest.expect_download() as download:
        guest.get_by_role("link", name=re.compile("Download all")).click()
    download.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.namelist() == ["01-dailies-for-orion.mp4", "02-dailies-for-orion.mp4"]
        assert archive.testzip() is None

    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog).to_contain_text("no longer opens anything")
    for path in ("", f"{videos[0]}/video", f"{videos[0]}/poster", "videos.zip"):
        assert guest.request.get(link + path).status == 404, path
    assert link.rstrip("/").rpartition("/")[2] not in site.log.read_text()


def test_the_dialog_keeps_the_selection_and_the_card_menu_shares_one_video(site, videos, sign_in):
    page = sign_in(site, "ada", permissions=["clipboard-read", "clipboard-write"])
    select(page, videos)
    dialog, link = share_selection(page, "Three")
    dialog.get_by_role("button", name="Copy link").click()
    page.wait_for_function("async link => await navigator.clipboard.readText() === link", arg=link)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#selection")).to_contain_text("3 selected")
    page.keyboard.press("Escape")
    card = page.locator(f"#generation-{videos[0]}")
    card.hover()
    card.locator("[data-menu]").click()
    page.locator("#card-menu").get_by_role("link", name="Share").click()
    expect(page.get_by_role("dialog", name="Share")).to_contain_text("3 videos")
    expect(page.get_by_role("button", name="Create link")).to_be_visible()
    page.get_by_role("dialog", name="Share").get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog", name="Share")).to_be_hidden()
    assert page.url == f"{site.url}/"


def test_a_collection_is_shared_from_its_filter_and_may_be_followed(site, videos, sign_in, stranger):
    member = sign_in(site, "ada")
    member.goto(f"{site.url}/collections/")
    member.get_by_role("link", name=re.compile("Client Orion")).first.click()
    member.get_by_role("link", name="Share collection").click()
    expect(member.get_by_role("heading", name="Share “Client Orion”")).to_be_visible()
    expect(member.get_by_label("The videos in it now")).to_be_checked()
    expect(member.get_by_label("Title")).to_have_value("Client Orion")
    member.get_by_label("Follow the collection").check()
    member.get_by_role("button", name="Create link").click()
    row = member.locator(".share[data-made]")
    expect(row).to_contain_text("Follows the collection")
    link = row.locator("code").inner_text()
    guest = stranger()
    guest.goto(link)
    expect(guest.get_by_role("heading", name="Client Orion")).to_be_visible()
    expect(guest.get_by_text("Updated as videos are added or removed.")).to_be_visible()
    expect(guest.get_by_role("link", name="Play video")).to_have_count(3)
    change = "collection.{}(Generation.objects.filter(uuid={!r}){})"
    find = (
        "from videos.models import Collection, Generation\ncollection = Collection.objects.get(name='Client Orion')\n"
    )
    site.python(find + change.format("remove", videos[0], ""))
    guest.reload()
    expect(guest.get_by_role("link", name="Play video")).to_have_count(2)
    site.python(find + change.format("add", videos[0], ", collection.created_by"))
    row.get_by_role("button", name="Revoke").click()
    expect(member.get_by_text("no longer opens anything")).to_be_visible()
    assert guest.goto(link).status == 404


def test_without_javascript_links_are_created_and_every_video_has_a_player(site, videos, sign_in, stranger):
    member = sign_in(site, "ada", java_script_enabled=False)
    for uuid in videos:
        member.locator(f"#generation-{uuid} .select").check(force=True)
    member.locator("#selection").get_by_role("button", name="Share").click()
    member.get_by_label("Title").fill("By hand")
    member.get_by_label("1 day", exact=True).check()
    member.get_by_role("button", name="Create link").click()
    member.wait_for_url(re.compile("/shares/#link-"))
    row = member.locator(".share", has_text="By hand")
    guest = stranger(java_script_enabled=False)
    guest.goto(row.locator("code").inner_text())
    expect(guest.locator(".guest-grid video")).to_have_count(3)
    for number in range(3):
        expect(guest.locator(".guest-grid video").nth(number)).to_be_visible()
    sources = guest.locator(".guest-grid video").evaluate_all("videos => videos.map((video) => video.src)")
    assert [re.search("[0-9a-f-]{36}/video$", source)[0][:36] for source in sources] == videos[::-1]
    expect(guest.get_by_role("link", name="Play video 1")).to_be_hidden()
    expect(guest.get_by_role("button", name="Play all")).to_be_hidden()
    expect(guest.get_by_role("link", name=re.compile("Download all"))).to_be_visible()
    row.get_by_role("button", name="Revoke").click()
    expect(member.get_by_text("no longer opens anything")).to_be_visible()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_sharing_several_videos_has_no_axe_violation(site, videos, links, sign_in, stranger, scheme, viewport):
    found = {}
    options = {"color_scheme": scheme, "viewport": viewport}
    guest = stranger(**options)
    for name, address in links.items():
        guest.goto(address)
        found[name] = violations(guest)
        guest.get_by_role("button", name="Play all").click()
        expect(guest.locator(".chain-place")).to_have_text(re.compile("of 3"))
        found[f"{name} player"] = violations(guest)
    member = sign_in(site, "ada", **options)
    select(member, videos[:2])
    share_selection(member, "Axe")
    found["dialog"] = violations(member)
    for path in (collection_path(site), "/shares/", "/team/shares/", f"/generations/{videos[0]}/shares/"):
        member.goto(site.url + path)
        found[path] = violations(member)
    assert {name: ones for name, ones in found.items() if ones} == {}


@pytest.mark.parametrize("width", [320, *WIDTHS])
def test_no_page_of_several_shared_videos_is_wider_than_its_window(site, videos, links, sign_in, stranger, width):
    options = {"viewport": {"width": width, "height": 800}}
    guest, member = stranger(**options), sign_in(site, "ada", **options)
    pages = [(guest, link) for link in links.values()]
    pages += [(member, site.url + path) for path in (collection_path(site), "/shares/", "/team/shares/")]
    assert_no_wider_than_the_window(pages)
