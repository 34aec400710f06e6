"""Frames in the form: drop, paste, swap and errors; earlier prompts; what Escape closes."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from .studio import a_frame, card, press

UUID = re.compile("^[0-9a-f-]{36}$")
LIMIT = 20 * 1024 * 1024


@pytest.fixture
def page(site, sign_in) -> Page:
    page = sign_in(site, "ada")
    frames(page)
    return page


def frames(page: Page) -> None:
    page.locator("#video-form .bar label").get_by_text("Frames", exact=True).click()
    page.wait_for_function("() => customElements.get('frame-tile') && customElements.get('frame-pair')")


def prompt(page: Page):
    return page.get_by_label("Prompt", exact=True)


def tile(page: Page, side: str):
    return page.locator(f'frame-tile:has(input[name="{side}_image"])')


def kept(page: Page, side: str):
    return page.locator(f'#video-form input[name="{side}_frame"]')


def link(page: Page, side: str):
    return page.get_by_label(f"Link to {side} frame")


def problem(page: Page, side: str):
    return page.locator(f"#{side}-problem")


def colour(page: Page, side: str):
    """Return the background colour of this side's uploaded frame, within the error of a JPEG."""
    content = page.request.get(
        f"{page.url.split('/?')[0].rstrip('/')}/uploads/{kept(page, side).input_value()}/"
    ).body()
    with Image.open(io.BytesIO(content)) as image:
        return image.convert("RGB").getpixel((5, 5))


def like(*colour: int):
    return pytest.approx(colour, abs=6)


def drop(page: Page, side: str, path: str, kind: str = "drop") -> None:
    """Drag a file from outside the browser onto a tile."""
    box = tile(page, side).bounding_box()
    where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for step in ("dragEnter", "dragOver") if kind == "over" else ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": step, "data": data} | where)
    session.detach()


def file(folder, name: str, content: bytes):
    path = folder / name
    path.write_bytes(content)
    return path


COPY = """async colour => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 64, height: 48});
    const context = canvas.getContext("2d");
    context.fillStyle = colour;
    context.fillRect(0, 0, 64, 48);
    const blob = await new Promise(done => canvas.toBlob(done, "image/png"));
    await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
}"""


def test_a_picture_dropped_on_a_tile_is_uploaded_and_shown_there(page, tmp_path):
    teal = file(tmp_path, "teal.png", a_frame("teal")["buffer"])
    drop(page, "end", teal, "over")
    expect(tile(page, "end")).to_have_attribute("data-over", "")
    drop(page, "end", teal)
    expect(kept(page, "end")).to_have_value(UUID)
    expect(tile(page, "end").locator("img").first).to_be_visible()
    expect(page.locator("frame-tile[data-over]")).to_have_count(0)
    expect(kept(page, "start")).to_have_value("")
    expect(page.locator("#announcer").get_by_text("The picture is uploaded.", exact=True)).to_have_count(1)
    assert colour(page, "end") == like(0, 128, 128)
    # The next frame replaces it.
    before = kept(page, "end").input_value()
    drop(page, "end", file(tmp_path, "maroon.png", a_frame("maroon")["buffer"]))
    expect(kept(page, "end")).not_to_have_value(before)
    expect(kept(page, "end")).to_have_value(UUID)
    assert colour(page, "end") == like(128, 0, 0)


def test_an_upload_to_a_busy_server_is_retried(page, tmp_path):
    answers = [503, 503]

    def busy(route) -> None:
        if answers:
            route.fulfill(status=answers.pop(), json={"error": "The studio is busy."}, headers={"Retry-After": "1"})
        else:
            route.continue_()

    page.route("**/uploads/", busy)
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 30, 10)).save(out, "PNG")
    drop(page, "start", file(tmp_path, "fox.png", out.getvalue()))
    expect(kept(page, "start")).to_have_value(UUID, timeout=15_000)
    assert not answers
    expect(problem(page, "start")).to_have_text("")


def test_an_upload_to_a_server_that_stays_busy_fails_with_a_retry_button(page, tmp_path):
    asked = []

    def busy(route) -> None:
        asked.append(route)
        route.fulfill(status=503, json={"error": "The studio is busy."}, headers={"Retry-After": "0.1"})

    page.route("**/uploads/", busy)
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (10, 30, 90)).save(out, "PNG")
    drop(page, "start", file(tmp_path, "fox.png", out.getvalue()))
    expect(problem(page, "start")).to_contain_text("The studio is busy.", timeout=15_000)
    assert len(asked) == 6
    page.unroute("**/uploads/")
    page.get_by_role("button", name="Upload again").click()
    expect(kept(page, "start")).to_have_value(UUID)


def test_a_link_dropped_on_a_tile_fills_its_field(page):
    tile(page, "start").evaluate(
        """tile => {
            const data = new DataTransfer();
            data.setData("text/uri-list", "https://pictures.example/lake.jpg");
            tile.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
        }"""
    )
    expect(link(page, "start")).to_have_value("https://pictures.example/lake.jpg")


def test_a_picture_is_pasted_onto_the_tile_under_the_pointer(site, sign_in):
    page = sign_in(site, "ada", permissions=["clipboard-read", "clipboard-write"])
    frames(page)
    page.evaluate(COPY, "rgb(0, 0, 128)")
    page.evaluate("() => document.activeElement.blur()")
    tile(page, "end").hover()
    page.keyboard.press("Control+v")
    expect(kept(page, "end")).to_have_value(UUID)
    expect(tile(page, "end").locator("img").first).to_be_visible()
    expect(kept(page, "start")).to_have_value("")
    assert colour(page, "end") == like(0, 0, 128)


def test_nothing_is_pasted_while_typing_or_without_a_tile_under_the_pointer(site, sign_in):
    page = sign_in(site, "ada", permissions=["clipboard-read", "clipboard-write"])
    frames(page)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.evaluate(COPY, "rgb(0, 0, 128)")
    for field in (prompt(page), link(page, "end"), page.get_by_role("searchbox", name="Search videos")):
        tile(page, "start").hover()
        field.focus()
        page.keyboard.press("Control+v")
    page.evaluate("() => document.activeElement.blur()")
    page.locator(".cost").hover()
    page.keyboard.press("Control+v")
    # Text that was pasted later has arrived, so the clipboard has been read.
    page.evaluate("() => navigator.clipboard.writeText('typed on')")
    tile(page, "start").hover()
    prompt(page).focus()
    page.keyboard.press("Control+v")
    expect(prompt(page)).to_have_value("typed on")
    expect(page.locator("frame-tile[data-filled], frame-tile[data-uploading]")).to_have_count(0)
    assert sent == []


def test_swap_exchanges_frames_and_links_also_from_the_keyboard(page):
    page.locator('input[name="start_image"]').set_input_files(a_frame("teal"))
    expect(kept(page, "start")).to_have_value(UUID)
    link(page, "end").fill("https://pictures.example/shore.jpg")
    first = kept(page, "start").input_value()
    swap = page.get_by_role("button", name="Swap frames")
    swap.focus()
    page.keyboard.press("Enter")
    expect(kept(page, "end")).to_have_value(first)
    expect(tile(page, "end").locator("img").first).to_be_visible()
    expect(link(page, "start")).to_have_value("https://pictures.example/shore.jpg")
    expect(kept(page, "start")).to_have_value("")
    expect(tile(page, "start").locator("img")).to_have_count(0)
    expect(link(page, "end")).to_have_value("")
    expect(page.locator("#announcer").get_by_text("Start and end are swapped.", exact=True)).to_have_count(1)
    expect(swap).to_be_focused()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.txt", b"words", "This is not a picture we can read. Use a JPEG, PNG, WebP or HEIC file."),
        ("film.mp4", b"\0\0\0\x18ftypmp42" + bytes(40), "This is a video. Upload a picture, or choose a frame"),
        ("huge.jpg", b"\xff\xd8" + bytes(LIMIT), "This picture has 20.1 MB; the most is 20 MB."),
        ("broken.png", b"\x89PNG\r\n\x1a\n and nothing more", "picture"),
    ],
    ids=["words", "a film", "too large", "broken"],
)  # fmt: skip
def test_an_unusable_file_is_explained_and_the_prompt_is_kept(page, tmp_path, name, content, words):
    prompt(page).fill("Half a thought")
    page.locator('input[name="start_image"]').set_input_files(a_frame("teal"))
    expect(kept(page, "start")).to_have_value(UUID)
    drop(page, "end", file(tmp_path, name, content))
    expect(problem(page, "end")).to_contain_text(words)
    expect(page.locator("#announcer")).to_contain_text(words)
    # The error is linked to its field for screen readers.
    expect(page.locator('input[name="end_image"]')).to_have_attribute("aria-invalid", "true")
    expect(page.locator('input[name="end_image"]')).to_have_attribute("aria-describedby", re.compile("end-problem"))
    expect(kept(page, "end")).to_have_value("")
    expect(tile(page, "end").locator("img")).to_have_count(0)
    expect(prompt(page)).to_have_value("Half a thought")
    expect(kept(page, "start")).to_have_value(UUID)
    page.reload()
    expect(prompt(page)).to_have_value("Half a thought")
    # A valid frame removes the error.
    drop(page, "end", file(tmp_path, "good.png", a_frame("navy")["buffer"]))
    expect(kept(page, "end")).to_have_value(UUID)
    expect(problem(page, "end")).to_be_empty()


def test_earlier_prompts_are_the_member_s_own_and_the_typed_text_comes_back(site, sign_in):
    site.add_member("dora")
    site.visitor("ben").submit(prompt="Nobody else's words")
    for words in ("A pier in fog", "A pier at noon", "A pier in fog"):
        site.visitor("dora").submit(prompt=words, again="1")
    page = sign_in(site, "dora")
    field = prompt(page)
    field.fill("A pier at")
    for expected in ("A pier in fog", "A pier at noon", "A pier at noon"):
        field.press("Alt+ArrowUp")
        expect(field).to_have_value(expected)
    for expected in ("A pier in fog", "A pier at", "A pier at"):
        field.press("Alt+ArrowDown")
        expect(field).to_have_value(expected)
    # An edited prompt is the new draft: the arrow keys start again from it.
    field.press("Alt+ArrowUp")
    expect(field).to_have_value("A pier in fog")
    field.press("End")
    field.press_sequentially(" at night")
    field.press("Alt+ArrowUp")
    expect(field).to_have_value("A pier in fog")
    field.press("Alt+ArrowDown")
    expect(field).to_have_value("A pier in fog at night")
    expect(page.locator("#announcer")).to_contain_text("What you typed.")


def test_a_failure_to_load_earlier_prompts_is_shown_and_the_prompt_is_kept(site, sign_in):
    page = sign_in(site, "ada")
    page.route("**/prompts/", lambda route: route.abort())
    prompt(page).fill("Half a thought")
    prompt(page).press("Alt+ArrowUp")
    expect(page.locator(".toast")).to_contain_text("Your earlier prompts could not be fetched.")
    expect(prompt(page)).to_have_value("Half a thought")


def test_escape_closes_a_dialog_and_returns_the_focus(site, shown, sign_in):
    page = sign_in(site, "ada")
    frames(page)
    link_of = card(page, shown["ready"]).locator(".card-link")
    more = card(page, shown["ready"]).get_by_role("link", name="More")
    account = page.get_by_role("button", name="Account of ada")
    earlier = page.get_by_role("link", name="Earlier prompts")
    videos = page.get_by_role("link", name="Choose start frame from the gallery")
    code = page.locator("#video-form").get_by_role("button", name="Code")
    ways = {
        "video": (link_of, page.locator("#video-dialog")),
        "card menu": (more, page.locator("#card-menu")),
        "account": (account, page.locator("#account")),
        "earlier prompts": (earlier, page.get_by_role("dialog", name="Earlier prompts")),
        "videos": (videos, page.locator("dialog.video-picker-dialog")),
        "code": (code, page.locator("#request-code")),
    }
    for name, (opener, what) in ways.items():
        opener.focus()
        page.keyboard.press("Enter")
        expect(what, name).to_be_visible()
        page.keyboard.press("Escape")
        expect(what, name).to_be_hidden()
        expect(opener, name).to_be_focused()
    link_of.focus()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(link_of).to_be_focused()


def test_a_click_before_the_script_has_loaded_still_opens_the_frame_picker(site, shown, sign_in):
    page = sign_in(site, "ada")
    on_the_way = []
    page.route(re.compile(r"/video-picker[^/]*\.js$"), lambda route: on_the_way.append(route))
    with page.expect_request(re.compile(r"/video-picker[^/]*\.js$")):
        frames(page)
    page.get_by_role("link", name="Choose start frame from the gallery").click()
    assert page.evaluate("() => customElements.get('video-picker') === undefined")
    for route in on_the_way:
        route.continue_()
    videos = page.get_by_role("dialog", name="Choose the start frame")
    expect(videos.locator(".video-picker-item").first).to_be_visible()
    expect(page).to_have_url(f"{site.url}/")


def test_the_list_of_shortcuts_opened_from_the_account_menu_returns_the_focus(site, sign_in):
    page = sign_in(site, "ada")
    account = page.get_by_role("button", name="Account of ada")
    page.mouse.move(5, 5)
    page.wait_for_function("() => customElements.get('keyboard-shortcuts')")
    account.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Keyboard shortcuts").focus()
    page.keyboard.press("Enter")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(account).to_be_focused()


def test_escape_closes_one_layer_at_a_time(site, shown, sign_in):
    page = sign_in(site, "ada", viewport={"width": 390, "height": 844})
    new = page.get_by_role("link", name="New video")
    new.click()
    expect(prompt(page)).to_be_focused()
    frames(page)
    sheet = page.get_by_role("dialog", name="New video")
    over = {
        "earlier prompts": (
            page.get_by_role("link", name="Earlier prompts"),
            page.get_by_role("dialog", name="Earlier prompts"),
        ),
        "videos": (
            page.get_by_role("link", name="Choose start frame from the gallery"),
            page.locator("dialog.video-picker-dialog"),
        ),
        "code": (page.locator("#video-form").get_by_role("button", name="Code"), page.locator("#request-code")),
    }
    for name, (opener, what) in over.items():
        opener.focus()
        page.keyboard.press("Enter")
        expect(what, name).to_be_visible()
        page.keyboard.press("Escape")
        expect(what, name).to_be_hidden()
        expect(opener, name).to_be_focused()
        expect(sheet, name).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(new).to_be_focused()


def test_a_video_begins_with_the_dropped_frame(page, tmp_path, site):
    drop(page, "start", file(tmp_path, "teal.png", a_frame("teal")["buffer"]))
    expect(kept(page, "start")).to_have_value(UUID)
    frame = kept(page, "start").input_value()
    prompt(page).fill("From what was dropped")
    uuid = press(page, "Generate")
    stored = site.python(
        f"from videos.models import Generation\nprint(Generation.objects.get(uuid={uuid!r}).start_frame.uuid)"
    )
    assert stored == frame
