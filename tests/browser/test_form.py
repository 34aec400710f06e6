"""The form: draft, undo, multiple prompts, code and frames."""

import re

import pytest
from playwright.sync_api import Page, expect

from ..support.installation import PASSWORD
from .axe import NARROW, WIDE, violations
from .studio import a_frame, press

LONG = "A lighthouse in a storm, waves over the rocks, slow push in, salt on the lens. " * 8


def prompt(page: Page):
    return page.get_by_label("Prompt", exact=True)


def mode(page: Page, name: str) -> None:
    page.locator("#video-form .bar label").get_by_text(name, exact=True).click()


def switch(page: Page):
    return page.get_by_label("Multiple prompts")


def undo(page: Page) -> None:
    page.get_by_role("button", name="Undo").last.click()


def kept(page: Page, side: str):
    return page.locator(f'#video-form input[name="{side}_frame"]')


def upload(page: Page, side: str, color: str) -> None:
    page.locator(f'input[name="{side}_image"]').set_input_files(a_frame(color))
    expect(kept(page, side)).to_have_value(re.compile("[0-9a-f-]{36}"))


def count(site) -> int:
    return int(site.python("from videos.models import Generation\nprint(Generation.objects.count())"))


def test_a_draft_survives_a_reload_with_its_frames(site, sign_in):
    page = sign_in(site, "ada")
    mode(page, "Frames")
    prompt(page).fill("Half a thought")
    page.get_by_role("radio", name="9:16").check(force=True)
    page.locator("#video-form").get_by_role("radio", name="3", exact=True).check(force=True)
    page.get_by_text("More", exact=False).locator("visible=true").first.click()
    page.get_by_label("Loop").check(force=True)
    upload(page, "start", "teal")
    picture = kept(page, "start").input_value()
    page.reload()
    expect(prompt(page)).to_have_value("Half a thought")
    expect(page.get_by_role("radio", name="Frames")).to_be_checked()
    expect(page.get_by_role("radio", name="9:16")).to_be_checked()
    expect(kept(page, "start")).to_have_value(picture)
    expect(page.locator(f'frame-tile img[src$="{picture}/"]')).to_be_visible()
    expect(page.locator('[name="loop"]')).to_be_checked()
    expect(page.locator(".cost-asked")).to_have_text("3 videos")


def test_a_draft_belongs_to_one_member_and_ends_with_the_session(site, sign_in):
    page = sign_in(site, "ada")
    prompt(page).fill("Nobody else's business")
    page.wait_for_timeout(400)
    page.context.clear_cookies()
    page.goto(f"{site.url}/login/")
    page.get_by_label("Username").fill("ben")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.url}/")
    expect(prompt(page)).to_have_value("")
    prompt(page).fill("Ben's own")
    page.get_by_role("button", name="Account of ben").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(re.compile("/login/"))
    drafts = page.evaluate("Object.entries(localStorage).filter(([key]) => key.startsWith('draft:')).map(String)")
    assert not [draft for draft in drafts if "Ben's own" in draft]


def test_a_draft_of_an_extension_survives_a_reload(site, shown, sign_in):
    page = sign_in(site, "ada")
    page.goto(f"{site.url}/generations/{shown['ready']}/extend/")
    prompt(page).fill("And then the heron flies")
    page.reload()
    expect(prompt(page)).to_have_value("And then the heron flies")
    page.goto(site.url)
    expect(prompt(page)).to_have_value("And then the heron flies")
    expect(page.locator(".source")).to_contain_text("A heron over still water")
    expect(page.get_by_role("radio", name="Extend")).to_be_checked()
    page.get_by_role("link", name="Extend something else").click()
    expect(page.get_by_label("Video ID")).to_be_visible()
    expect(prompt(page)).to_have_value("And then the heron flies")


def test_after_a_submission_the_form_keeps_all_but_the_extended_video(site, shown, sign_in):
    page = sign_in(site, "ada")
    page.goto(f"{site.url}/generations/{shown['ready']}/extend/")
    prompt(page).fill("It dives")
    press(page, "Extend")
    page.goto(site.url)
    expect(prompt(page)).to_have_value("It dives")
    expect(page.get_by_role("radio", name="Text")).to_be_checked()
    expect(page.locator(".source")).to_have_count(0)


def test_filling_the_form_from_a_card_can_be_undone(site, shown, sign_in):
    page = sign_in(site, "ada")
    prompt(page).fill("My draft")
    page.get_by_role("radio", name="21:9").check(force=True)
    card = page.locator(f"#generation-{shown['ready']}")
    card.hover()
    card.locator('[data-use="settings"]').click()
    expect(prompt(page)).to_have_value("A heron over still water")
    expect(page.get_by_role("radio", name="16:9")).to_be_checked()
    expect(prompt(page)).to_be_focused()
    undo(page)
    expect(prompt(page)).to_have_value("My draft")
    expect(page.get_by_role("radio", name="21:9")).to_be_checked()
    card.hover()
    card.locator('[data-use="extend"]').click()
    expect(page.locator(".source")).to_contain_text("A heron over still water")
    undo(page)
    expect(prompt(page)).to_have_value("My draft")
    expect(page.locator(".source")).to_have_count(0)
    expect(page.get_by_role("radio", name="Text")).to_be_checked()


def test_a_form_filled_by_the_server_replaces_the_draft_and_can_be_undone(site, shown, sign_in):
    page = sign_in(site, "ada")
    prompt(page).fill("My draft")
    page.wait_for_timeout(400)
    page.goto(f"{site.url}/generations/{shown['ready']}/reuse/")
    expect(prompt(page)).to_have_value("A heron over still water")
    undo(page)
    expect(prompt(page)).to_have_value("My draft")


def test_the_arrow_keys_walk_through_earlier_prompts_and_back(site, sign_in):
    site.add_member("cleo")
    visitor = site.visitor("cleo")
    for words in ("one", "two", "three"):
        visitor.submit(prompt=f"Earlier {words}")
    page = sign_in(site, "cleo")
    prompt(page).fill("Being typed")
    for expected in ("three", "two", "one", "one"):
        prompt(page).press("Alt+ArrowUp")
        expect(prompt(page)).to_have_value(f"Earlier {expected}")
    for expected in ("Earlier two", "Earlier three", "Being typed", "Being typed"):
        prompt(page).press("Alt+ArrowDown")
        expect(prompt(page)).to_have_value(expected)
    page.get_by_role("link", name="Earlier prompts").click()
    menu = page.get_by_role("dialog", name="Earlier prompts")
    expect(menu.get_by_role("link").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(prompt(page)).to_have_value("Earlier two")
    expect(menu).not_to_be_visible()
    undo(page)
    expect(prompt(page)).to_have_value("Being typed")
    page.get_by_role("link", name="Earlier prompts").click()
    expect(menu.get_by_role("link").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).not_to_be_visible()
    expect(page.get_by_role("link", name="Earlier prompts")).to_be_focused()


def test_multiple_prompts_are_counted_live_and_all_their_cards_appear(site, sign_in):
    page = sign_in(site, "ada")
    before = count(site)
    cost = page.locator(".cost-asked")
    expect(cost).to_have_text("1 video")
    prompt(page).fill("Line one\n\nLine two\nLine three\n")
    expect(cost).to_have_text("1 video")
    switch(page).check(force=True)
    expect(cost).to_have_text("3 videos")
    page.locator("#video-form").get_by_role("radio", name="2", exact=True).check(force=True)
    expect(cost).to_have_text("6 videos: 3 prompts × 2 takes")
    page.locator("#video-form").get_by_role("button", name=re.compile("^Generate")).dblclick()
    for words in ("one", "two", "three"):
        expect(page.locator(".card", has_text=f"Line {words}")).to_have_count(2)
    page.wait_for_timeout(800)
    assert count(site) == before + 6
    prompt(page).fill("\n".join(["A fox"] * 51))
    expect(cost).to_contain_text("the limit is 100")
    page.locator("#video-form").get_by_role("button", name=re.compile("^Generate")).click()
    expect(page.locator("#prompt-error")).to_contain_text("the limit is 50")
    expect(prompt(page)).to_be_focused()
    expect(switch(page)).to_be_checked()


def test_the_code_follows_the_form(site, sign_in):
    page = sign_in(site, "ada")
    prompt(page).fill("A fox")
    button = page.locator("#video-form").get_by_role("button", name="Code")
    button.click()
    panel = page.get_by_role("dialog", name="The request as code")
    expect(panel.locator("#request-code-curl")).to_contain_text("A fox")
    panel.get_by_text("Python", exact=True).click()
    prompt(page).fill("A heron")
    expect(panel.locator("#request-code-python")).to_contain_text("A heron")
    page.get_by_role("radio", name="9:16").check(force=True)
    expect(panel.locator("#request-code-python")).to_contain_text("9:16")
    expect(panel.get_by_role("radio", name="Python")).to_be_checked()
    prompt(page).fill("A heron\nA fox")
    switch(page).check(force=True)
    expect(panel).to_contain_text("first of 2 prompts")
    assert not violations(page)
    panel.get_by_role("button", name="Close").click()
    expect(panel).not_to_be_visible()
    expect(button).to_be_focused()


def test_without_javascript_the_code_earlier_prompts_and_the_frame_picker_are_pages(site, shown, sign_in):
    page = sign_in(site, "ada", java_script_enabled=False)
    prompt(page).fill("By hand")
    page.locator("#video-form").get_by_role("button", name="Code").click()
    expect(page.locator("#code-page-curl")).to_contain_text("By hand")
    page.goto(site.url)
    page.get_by_role("link", name="Earlier prompts").click()
    page.get_by_role("link", name="A heron over still water").first.click()
    expect(prompt(page)).to_have_value("A heron over still water")


def test_frames_are_uploaded_at_once_swapped_and_removed(site, sign_in):
    page = sign_in(site, "ada")
    mode(page, "Frames")
    upload(page, "start", "teal")
    upload(page, "end", "maroon")
    first, last = kept(page, "start").input_value(), kept(page, "end").input_value()
    page.get_by_role("button", name="Swap frames").click()
    expect(kept(page, "start")).to_have_value(last)
    expect(kept(page, "end")).to_have_value(first)
    page.get_by_role("button", name="Remove start frame").click()
    expect(kept(page, "start")).to_have_value("")
    expect(page.locator("frame-tile[data-filled]")).to_have_count(1)
    assert page.locator('input[name="end_image"]').evaluate("input => input.files.length") == 0
    page.locator('input[name="start_image"]').set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    )
    expect(page.locator("#start-problem")).to_contain_text("not a picture")
    page.locator('input[name="start_image"]').set_input_files(
        {"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture either"}
    )
    expect(page.locator("#start-problem")).to_contain_text("picture")
    expect(page.locator("frame-tile[data-filled]")).to_have_count(1)


def test_a_failed_upload_can_be_retried(site, sign_in):
    page = sign_in(site, "ada")
    mode(page, "Frames")
    page.route("**/uploads/", lambda route: route.abort())
    page.locator('input[name="start_image"]').set_input_files(a_frame("navy"))
    expect(page.locator("#start-problem")).to_contain_text("did not get through")
    expect(page.locator("frame-tile img")).to_be_visible()
    page.unroute("**/uploads/")
    page.get_by_role("button", name="Upload again").click()
    expect(kept(page, "start")).to_have_value(re.compile("[0-9a-f-]{36}"))
    expect(page.locator("#start-problem")).to_be_empty()


PASTE = """async tile => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 64, height: 48});
    const blob = await new Promise(done => canvas.toBlob(done, "image/png"));
    const data = new DataTransfer();
    data.items.add(new File([blob], "pasted.png", {type: "image/png"}));
    document.activeElement.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
}"""


def test_a_frame_is_pasted_onto_the_tile_under_the_pointer_and_never_while_typing(site, sign_in):
    page = sign_in(site, "ada")
    mode(page, "Frames")
    tile = page.locator("frame-tile").nth(1)
    prompt(page).focus()
    tile.hover()
    tile.evaluate(PASTE)
    page.wait_for_timeout(300)
    expect(kept(page, "end")).to_have_value("")
    prompt(page).blur()
    tile.evaluate(PASTE)
    expect(kept(page, "end")).to_have_value(re.compile("[0-9a-f-]{36}"))
    expect(kept(page, "start")).to_have_value("")


def test_a_frame_is_taken_from_a_video_of_the_gallery(site, shown, sign_in):
    page = sign_in(site, "ada")
    prompt(page).fill("My draft")
    mode(page, "Frames")
    opener = page.get_by_role("link", name="Choose end frame from the gallery")
    opener.click()
    dialog = page.get_by_role("dialog", name="Choose the end frame")
    expect(dialog.get_by_role("searchbox")).to_be_focused()
    dialog.get_by_role("searchbox").fill("heron")
    expect(dialog.locator(".video-picker-item").first).to_contain_text("heron")
    expect(dialog.locator(".video-picker-item", has_text="It lands")).to_have_count(0)
    assert not violations(page)
    page.keyboard.press("Escape")
    if dialog.count():  # the first Escape clears the search
        page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    opener.click()
    dialog.get_by_role("button", name="Last frame").first.click()
    expect(dialog).to_have_count(0)
    expect(kept(page, "end")).to_have_value(re.compile("[0-9a-f-]{36}"))
    expect(prompt(page)).to_have_value("My draft")
    undo(page)
    expect(kept(page, "end")).to_have_value("")


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_the_form_has_no_axe_violation_in_any_mode(site, sign_in, scheme, viewport):
    page = sign_in(site, "ada", color_scheme=scheme, viewport=viewport)
    page.goto(f"{site.url}/#new")
    page.reload()
    page.locator(".more > summary").click()
    for name in ("Text", "Frames", "Extend"):
        mode(page, name)
        assert not violations(page), name
    mode(page, "Frames")
    prompt(page).fill(LONG * 9)
    switch(page).check(force=True)
    page.locator("#video-form").get_by_role("button", name=re.compile("^Generate")).click()
    expect(page.locator("#prompt-error")).to_be_visible()
    assert not violations(page)


@pytest.mark.parametrize("name", ["Text", "Frames", "Extend"])
def test_the_form_does_not_overflow_on_the_smallest_phone(site, sign_in, name):
    page = sign_in(site, "ada", viewport={"width": 360, "height": 700})
    page.goto(f"{site.url}/#new")
    page.reload()
    mode(page, name)
    page.locator(".more > summary").click()
    prompt(page).fill("w" * 400)
    for place in ("document.documentElement", "document.querySelector('.video-form-body')"):
        assert page.evaluate(f"{place}.scrollWidth - {place}.clientWidth") <= 0
