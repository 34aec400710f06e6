"""The video dialog while teammates work: changes, toasts, extracted frames, tree and chain."""

import base64
import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from ..support.numbered_video import FILM, number_of
from .axe import NARROW, WIDE, violations
from .studio import a_frame, card

pytestmark = pytest.mark.motion

# Replaces the file of a video by the one with numbered colours.
RECAST = """
import base64
from django.core.files.base import ContentFile
from videos.models import Generation
row = Generation.objects.get(uuid={uuid!r})
row.video_file.save("numbered.mp4", ContentFile(base64.b64decode({film!r})), save=False)
Generation.objects.filter(pk=row.pk).update(
    video_file=row.video_file.name, duration=2.0, frame_rate=30, sha256={sha!r}, video_width=128, video_height=72)
"""
MAKE = """
import uuid
from django.utils import timezone
from videos.models import Generation, Member, Submission
source = Generation.objects.get(uuid={source!r})
parent = source
for number in range({count}):
    ask = Submission.objects.create(member=source.member, key=uuid.uuid4())
    now = timezone.now()
    row = Generation.objects.create(
        submission=ask, member=source.member, prompt=f"Further on {{number}}", search_text="", state="completed",
        action="extend", parent=parent, depth=parent.depth + 1, archive="saved", created_at=now, submitted_at=now,
        accepted_at=now, finished_at=now, task_id=str(uuid.uuid4()), video_id=str(uuid.uuid4()),
        **{{name: getattr(source, name) for name in (
            "shape", "video_width", "video_height", "token_id", "video_file", "thumbnail_file", "poster_file",
            "sha256", "size_bytes", "duration", "frame_rate")}})
    if {in_line}:
        parent = row
    print(row.uuid)
"""


@pytest.fixture(scope="module")
def film(site) -> str:
    """Create a video of Ben's whose frames are numbered by colour."""
    visitor = site.visitor("ben")
    uuid = visitor.submit(prompt="Numbered colours")
    visitor.wait_until_saved(uuid)
    site.python(RECAST.format(uuid=uuid, film=base64.b64encode(FILM).decode(), sha="f" * 64))
    return uuid


@pytest.fixture(scope="module")
def line(site, film) -> list[str]:
    """Create six videos that extend each other from `film`, and two more extensions of `film`."""
    made = site.python(MAKE.format(source=film, count=6, in_line=True)).split()
    site.python(MAKE.format(source=film, count=2, in_line=False))
    return [film, *made]


def opened(page, uuid):
    """Open the dialog of a video in the gallery and wait for it."""
    link = card(page, uuid).locator(".card-link")
    link.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#video-dialog")
    expect(dialog.locator(f"#video-{uuid}")).to_be_visible()
    return dialog


def at_rest(page) -> None:
    page.evaluate("document.querySelector('#video-dialog video, .video-page video')?.pause()")


SEEN = """async at => {
    const video = document.querySelector("video-player video");
    await new Promise(done => { video.requestVideoFrameCallback(done); video.currentTime = at; });
    await new Promise(done => setTimeout(done, 60));
    const canvas = Object.assign(document.createElement("canvas"), {width: 128, height: 72});
    canvas.getContext("2d").drawImage(video, 0, 0, 128, 72);
    return canvas.toDataURL("image/png").split(",")[1];
}"""


def test_the_extracted_frame_is_the_visible_one(site, film, sign_in):
    ada = sign_in(site, "ada")
    ada.goto(f"{site.url}/generations/{film}/")
    expect(ada.locator("video-player:defined")).to_be_visible()
    expect(ada.locator(".player-position")).to_have_text(re.compile("· 1$"))
    seen = {}
    # Also just before and just after the boundary between two frames.
    for at in (0.0334, 0.0332, 0.51, 0.8333, 1.0333, 1.2499, 1.99):
        shown = number_of(base64.b64decode(ada.evaluate(SEEN, at)))
        answer = ada.evaluate(
            """async () => {
                const form = document.querySelector("form[data-use=start]:has([data-playhead])");
                const body = new FormData(form), headers = {Accept: "application/json"};
                const answer = await fetch(form.action, {method: "POST", body, headers});
                return (await answer.json()).url;
            }"""
        )
        cut = number_of(ada.request.get(site.url + answer).body())
        told = int(ada.locator(".player-position").inner_text().split()[-1]) - 1
        seen[at] = (shown, cut, told)
    print("picture shown, cut, told:", seen)
    assert all(shown == cut == told for shown, cut, told in seen.values())
    assert len({shown for shown, _, _ in seen.values()}) >= 6


def test_use_this_frame_closes_the_dialog_and_fills_the_form(site, film, sign_in):
    ada = sign_in(site, "ada")
    dialog = opened(ada, film)
    at_rest(ada)
    for _ in range(3):
        dialog.get_by_role("button", name="Next frame").click()
    dialog.get_by_role("button", name="as start frame").click()
    expect(dialog).to_be_hidden()
    expect(ada).to_have_url(re.compile(f"^{site.url}/(#.*)?$"))
    expect(ada.locator("[name=start_frame]")).to_have_value(re.compile("[0-9a-f-]{36}"))
    frame = ada.locator("[name=start_frame]").input_value()
    expect(ada.locator(".toast", has_text="start")).to_be_visible()
    with Image.open(io.BytesIO(ada.request.get(f"{site.url}/uploads/{frame}/").body())) as picture:
        assert picture.size == (128, 72)


def frame_of(page, site, side: str = "start"):
    """Return the number of the picture that the form has as this frame."""
    field = page.locator(f"#video-form [name={side}_frame]")
    expect(field).to_have_value(re.compile("[0-9a-f-]{36}"))
    return number_of(page.request.get(f"{site.url}/uploads/{field.input_value()}/").body())


def test_a_new_video_starts_from_the_visible_frame(site, film, sign_in):
    site.python(f"from videos.models import Generation\nGeneration.objects.filter(uuid={film!r}).update(shape='9:16')")
    ada = sign_in(site, "ada")
    prompt = ada.get_by_label("Prompt", exact=True)
    ada.get_by_text("Frames", exact=True).first.click()
    prompt.fill("It goes on")
    ada.locator('input[type="file"][name="end_image"]').set_input_files(a_frame("teal"))
    end = ada.locator("#video-form [name=end_frame]")
    expect(end).to_have_value(re.compile("[0-9a-f-]{36}"))
    kept = end.input_value()
    dialog = opened(ada, film)
    at_rest(ada)
    for _ in range(3):
        dialog.get_by_role("button", name="Next frame").click()
    # At least the fourth frame: how many were played before the pause differs.
    expect(dialog.locator(".player-position")).to_have_text(re.compile(r"· ([4-9]|\d\d)$"))
    shown = int(dialog.locator(".player-position").inner_text().split()[-1]) - 1
    dialog.get_by_role("button", name="New video from this frame").click()
    expect(dialog).to_be_hidden()
    expect(prompt).to_be_focused()
    assert frame_of(ada, site) == shown
    expect(prompt).to_have_value("It goes on")
    expect(ada.get_by_role("radio", name="9:16")).to_be_checked()
    expect(end).to_have_value("")
    frame = ada.locator("#video-form [name=start_frame]").input_value()
    source = f"from videos.models import Frame\nprint(Frame.objects.get(uuid={frame!r}).source.uuid)"
    assert site.python(source).strip() == film
    ada.get_by_role("button", name="Undo").click()
    expect(end).to_have_value(kept)
    expect(ada.get_by_role("radio", name="16:9")).to_be_checked()
    # The menu of a card takes the last frame.
    card(ada, film).hover()
    card(ada, film).get_by_role("link", name="More").click()
    ada.get_by_role("button", name="New video from the last frame").click()
    expect(ada.locator(".toast", has_text="start frame of a new video")).to_be_visible()
    assert frame_of(ada, site) == 59
    # On the video's own page there is no form: it leads to the studio.
    ada.goto(f"{site.url}/generations/{film}/")
    expect(ada.locator("video-player:defined")).to_be_visible()
    ada.evaluate(SEEN, 0.51)
    ada.get_by_role("button", name="New video from this frame").click()
    expect(ada).to_have_url(re.compile(r"/\?mode=frames&start_frame="))
    assert frame_of(ada, site) == 15
    expect(prompt).to_have_value("It goes on")
    expect(end).to_have_value("")


def test_a_frame_of_a_video_that_is_gone_says_so(site, film, sign_in):
    ada = sign_in(site, "ada")
    dialog = opened(ada, film)
    at_rest(ada)
    ada.route("**/frames/", lambda route: route.fulfill(status=404, body="<html>"))
    dialog.get_by_role("button", name="New video from this frame").click()
    expect(ada.locator(".toast")).to_contain_text("This video was moved to the trash or deleted.")


def test_without_javascript_frames_can_be_used(site, film, sign_in):
    ada = sign_in(site, "ada", java_script_enabled=False)
    card(ada, film).locator(".card-link").click()
    expect(ada.locator(f"article#generation-{film}")).to_be_visible()
    ada.get_by_role("button", name=re.compile("its last frame.*as start frame")).click()
    assert re.search(r"/\?mode=frames&start_frame=[0-9a-f-]{36}", ada.url)
    frame = re.search(r"start_frame=([0-9a-f-]{36})", ada.url).group(1)
    assert number_of(ada.request.get(f"{site.url}/uploads/{frame}/").body()) == 59


def test_a_teammate_s_changes_do_not_interrupt_a_playing_video(site, film, sign_in):
    ada, ben = sign_in(site, "ada"), sign_in(site, "ben")
    dialog = opened(ada, film)
    at_rest(ada)
    ada.evaluate("document.querySelector('video-player video').currentTime = 1.1")
    ada.keyboard.press("i")
    expect(dialog.locator(f"#facts-{film} dl")).to_be_hidden()
    ben.goto(f"{site.url}/generations/{film}/")
    ben.get_by_role("button", name="Pick", exact=True).click()
    expect(dialog.locator(".chosen")).to_have_text(re.compile("picked", re.I), timeout=10_000)
    assert abs(ada.evaluate("document.querySelector('video-player video').currentTime") - 1.1) < 0.05
    expect(dialog.locator(f"#facts-{film} dl")).to_be_hidden()
    # The player was kept: the swap moved it without a reload.
    dialog.get_by_role("button", name="Next frame").click()
    expect(dialog.locator(".player-position")).to_have_text(re.compile("· 35$"))
    assert dialog.locator("video-player video").evaluate("video => video.readyState") > 1


def test_a_video_trashed_from_the_dialog_can_be_restored(site, film, line, sign_in):
    ben, ada = sign_in(site, "ben"), sign_in(site, "ada")
    last = line[-1]
    watching = opened(ada, last)
    at_rest(ada)
    dialog = opened(ben, last)
    dialog.get_by_role("button", name="Move to trash").click()
    expect(dialog).to_be_hidden()
    expect(ben).to_have_url(re.compile(f"^{site.url}/(#.*)?$"))
    expect(card(ben, last)).to_have_count(0)
    expect(watching.get_by_role("heading", name="In the trash")).to_be_visible(timeout=10_000)
    ben.locator(".toast").get_by_role("button", name="Undo").click()
    expect(card(ben, last)).to_be_visible()


def test_toasts_can_be_read_and_pressed_while_the_dialog_is_open(site, film, sign_in):
    ben = sign_in(site, "ben")
    dialog = opened(ben, film)
    was = dialog.locator(".verdict [aria-pressed=true]").count()
    dialog.get_by_role("button", name="Reject", exact=True).click()
    toast = ben.locator(".toast").last
    expect(toast).to_be_visible()
    toast.get_by_role("button", name="Undo").click()
    expect(dialog.locator(".verdict [aria-pressed=true]")).to_have_count(was)
    ben.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert ben.locator("body > #toasts").count() == 1
    assert ben.locator("body > #announcer").count() == 1


def test_arrow_keys_follow_the_filtered_gallery_and_the_last_request_wins(site, line, sign_in):
    ada = sign_in(site, "ada")
    ada.goto(f"{site.url}/?mode=extend")
    expect(ada.locator(".card").first).to_be_visible()
    wall = [one.removeprefix("generation-") for one in ada.locator(".card").evaluate_all("all => all.map(c => c.id)")]
    at = wall.index(line[4])
    dialog = opened(ada, wall[at])
    assert ada.url.endswith("?mode=extend")
    for step in (1, 2):
        ada.keyboard.press("ArrowRight")
        expect(dialog.locator(f"#video-{wall[at + step]}")).to_be_visible()
    expect(ada).to_have_url(re.compile(wall[at + 2]))
    assert f"/generations/{wall[at + 2]}/?mode=extend" in ada.url
    # Press faster than the responses arrive.
    ada.evaluate(
        "() => { const press = () => document.querySelector('.video-nav [rel=prev]').click(); press(); press(); }"
    )
    expect(dialog.locator(f"#video-{wall[at + 1]}")).to_be_visible()
    ada.go_back()
    expect(dialog).to_be_hidden()
    assert "mode=extend" in ada.url


def test_the_gallery_keeps_its_position_below_the_dialog(site, line, sign_in):
    ada = sign_in(site, "ada", viewport={"width": 900, "height": 500})
    far = card(ada, line[0])
    far.scroll_into_view_if_needed()
    ada.wait_for_timeout(400)
    place = ada.evaluate("scrollY")
    assert place > 100
    dialog = opened(ada, line[0])
    ada.mouse.move(450, 250)
    ada.mouse.wheel(0, 3000)
    ada.wait_for_timeout(300)
    assert dialog.evaluate("dialog => dialog.scrollTop") > 0
    ada.go_back()
    expect(dialog).to_be_hidden()
    ada.wait_for_timeout(200)
    assert abs(ada.evaluate("scrollY") - place) < 3
    assert ada.evaluate("document.title").startswith("Studio") or "Lumaweb" in ada.title()
    opened(ada, line[0])
    # A click on the backdrop is outside of the dialog.
    ada.mouse.click(4, 250)
    expect(dialog).to_be_hidden()


def test_the_tree_shows_and_links_the_branches(site, line, sign_in):
    ada = sign_in(site, "ada")
    dialog = opened(ada, line[3])
    tree = dialog.locator(".tree")
    assert tree.locator(".branch").count() == 3
    # The page may end above the tree, which itself has scrolled to this video.
    tree.scroll_into_view_if_needed()
    expect(tree.locator("[aria-current=true]")).to_be_in_viewport()
    tree.locator("a.strip-video").first.click()
    expect(dialog.locator(f"#video-{line[0]}")).to_be_visible()
    expect(ada).to_have_url(re.compile(f"/generations/{line[0]}/$"))
    ada.go_back()
    expect(dialog).to_be_hidden()


def test_the_chain_has_its_own_keys_which_do_not_reach_the_gallery(site, line, sign_in):
    ada = sign_in(site, "ada")
    dialog = opened(ada, line[2])
    dialog.get_by_role("button", name="Play from the start").click()
    chain = ada.locator("dialog.chain")
    expect(chain.locator(".chain-place")).to_have_text("1 of 3")
    ada.keyboard.press("ArrowRight")
    expect(chain.locator(".chain-place")).to_have_text("2 of 3")
    ada.keyboard.press(" ")
    expect(chain.locator("[data-pause] use")).to_have_attribute("href", "#i-play")
    ada.keyboard.press("Delete")
    ada.keyboard.press("ArrowLeft")
    expect(chain.locator(".chain-place")).to_have_text("1 of 3")
    assert ada.url.rstrip("/").endswith(line[2]), "the dialog below did not step on"
    assert violations(ada) == []
    ada.keyboard.press("Escape")
    expect(chain).to_be_hidden()
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Play from the start")).to_be_focused()
    assert ada.evaluate("[...document.querySelectorAll('.chain video')].every(video => video.paused)")


def test_a_missing_video_of_a_chain_is_skipped_and_named(site, line, sign_in):
    change = "from videos.models import Generation\nGeneration.objects.filter(uuid={!r}).update(archive={!r})"
    site.python(change.format(line[1], "lost"))
    ada = sign_in(site, "ada")
    ada.goto(f"{site.url}/generations/{line[2]}/")
    ada.get_by_role("button", name="Play from the start").click()
    expect(ada.locator(".chain-place")).to_have_text("1 of 2")
    expect(ada.locator(".chain-lacks")).to_have_text("1 of 3 videos is not saved and skipped")
    site.python(change.format(line[1], "saved"))


@pytest.mark.alone
def test_six_cuts_of_a_chain_take_less_than_fifty_milliseconds(site, line, sign_in):
    ada = sign_in(site, "ada")
    # Other load on the machine makes a gap longer, so take the best of three runs.
    worst = []
    for _ in range(3):
        ada.goto(f"{site.url}/generations/{line[-2]}/")
        ada.get_by_role("button", name="Play from the start").click()
        expect(ada.locator(".chain-place")).to_have_text("6 of 6", timeout=60_000)
        gaps = ada.evaluate("document.querySelector('chain-player').gaps")
        print("ms from the end of one video to the first picture of the next:", [round(gap, 1) for gap in gaps])
        assert len(gaps) == 5
        worst.append(max(gaps))
        if worst[-1] < 50:
            break
    assert min(worst) < 50


def test_ids_can_be_copied_and_links_are_short(site, film, sign_in):
    ada = sign_in(site, "ada", permissions=["clipboard-read", "clipboard-write"])
    ada.goto(f"{site.url}/generations/{film}/")
    ada.get_by_role("button", name="Copy the task ID").click()
    assert re.fullmatch("[0-9a-f-]{36}", ada.evaluate("navigator.clipboard.readText()"))
    expect(ada.locator(".facts").get_by_role("link", name="Open at the provider").first).to_be_visible()
    for link in ada.locator(".facts .away a").all():
        assert len(link.inner_text()) < 30


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_the_dialog_has_no_axe_violation(site, line, sign_in, scheme, viewport):
    ada = sign_in(site, "ada", color_scheme=scheme, viewport=viewport)
    found = {}
    ada.goto(f"{site.url}/generations/{line[2]}/")
    found["page"] = violations(ada)
    ada.get_by_role("button", name="More ways to reuse").click()
    found["menu"] = violations(ada)
    ada.goto(site.url)
    opened(ada, line[2])
    at_rest(ada)
    found["dialog"] = violations(ada)
    assert {name: ones for name, ones in found.items() if ones} == {}


@pytest.mark.parametrize("width", [360, 768, 1024, 2560])
def test_the_dialog_fits_every_width(site, line, sign_in, width):
    ada = sign_in(site, "ada", viewport={"width": width, "height": 900})
    dialog = opened(ada, line[2])
    at_rest(ada)
    ada.wait_for_timeout(300)
    assert dialog.evaluate("one => one.scrollWidth <= one.clientWidth")
    box = dialog.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    shown = dialog.locator("video-player video").bounding_box()
    assert shown["width"] > 200
    assert shown["y"] + shown["height"] <= 900
