"""The main job with the guide's examples: a member creates a video, a teammate extends it."""

import io
import re
import time

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from ..support.installation import Installation
from .studio import PROMPT, a_frame, card, cards, generate, press, ready, stored

# The fields of the contract's result that Lumaweb stores under the same names.
FIELDS = (
    "task_id", "video_id", "video_url", "video_width", "video_height",
    "thumbnail_url", "thumbnail_width", "thumbnail_height", "result_prompt", "result_state",
)  # fmt: skip


def plays_and_seeks(page: Page, site: Installation, uuid: str) -> None:
    page.goto(f"{site.url}/generations/{uuid}/")
    video = page.locator("video").first
    played = video.evaluate(
        """async video => {
            video.muted = true;
            await video.play();
            await new Promise(done => setTimeout(done, 300));
            const moved = video.currentTime;
            video.pause();
            const seeked = new Promise(done => video.addEventListener("seeked", done, {once: true}));
            video.currentTime = video.duration - 0.5;
            await seeked;
            return {moved, at: video.currentTime, duration: video.duration, width: video.videoWidth};
        }"""
    )
    assert played["moved"] > 0
    assert played["duration"] > 3
    assert played["at"] == pytest.approx(played["duration"] - 0.5, abs=0.2)
    assert played["width"] > 0


def first_and_last(content: bytes) -> tuple[Image.Image, Image.Image]:
    import av

    with av.open(io.BytesIO(content)) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    return frames[0], frames[-1]


def difference(one: Image.Image, two: Image.Image) -> float:
    """Return the mean difference of two pictures, 0 to 255."""
    size = (64, 36)
    a, b = (list(image.convert("RGB").resize(size).get_flattened_data()) for image in (one, two))
    return sum(abs(x - y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)) / len(a) / 3


@pytest.mark.motion
def test_the_guide_s_examples_with_two_members(site, sign_in):
    ada, ben = sign_in(site, "ada"), sign_in(site, "ben")
    visitor = site.visitor("ben")
    made = {}

    # 1. a prompt, 2. with a start frame, 3. with start and end frame.
    made["text"] = generate(ada)
    made["start"] = generate(ada, start=a_frame("teal"))
    made["frames"] = generate(ada, start=a_frame("teal"), end=a_frame("maroon"))
    for uuid in made.values():
        expect(card(ben, uuid)).to_be_visible(timeout=6_000)
        ready(ada, uuid)
        ready(ben, uuid)
    content = visitor.wait_until_saved(made["start"])
    first, start_last = first_and_last(content)
    assert difference(first, Image.open(io.BytesIO(a_frame("teal")["buffer"]))) < 25
    _, last = first_and_last(visitor.wait_until_saved(made["frames"]))
    assert difference(last, Image.open(io.BytesIO(a_frame("maroon")["buffer"]))) < 25

    # 4. a teammate extends 2 by its id, from the card's button.
    card(ben, made["start"]).hover()
    card(ben, made["start"]).get_by_role("link", name="Extend").first.click()
    expect(ben.locator("#video-form .source")).to_contain_text(PROMPT)
    ben.get_by_label("Prompt", exact=True).fill("The shuttle lands and the hatch opens")
    made["by id"] = press(ben, "Extend")

    # 5. by its link, 6. with an end frame.
    link = stored(site, made["start"], "video_url")[0]
    ben.goto(site.url)
    ben.get_by_text("Extend", exact=True).first.click()
    ben.get_by_label("Prompt", exact=True).fill("The same, seen from the crater")
    ben.get_by_label("Video link").fill(link)
    made["by link"] = press(ben, "Extend")
    ben.goto(f"{site.url}/generations/{made['start']}/extend/")
    ben.get_by_label("Prompt", exact=True).fill("Down into the dark")
    ben.locator('input[type="file"][name="end_image"]').set_input_files(a_frame("navy"))
    made["end"] = press(ben, "Extend")

    for name in ("by id", "by link", "end"):
        ready(ada, made[name])
        content = visitor.wait_until_saved(made[name])
        begins, ends = first_and_last(content)
        assert difference(begins, start_last) < 25, f"{name} does not begin where its parent ends"
        if name == "end":
            assert difference(ends, Image.open(io.BytesIO(a_frame("navy")["buffer"]))) < 25
        assert stored(site, made[name], "depth", "parent_id", "result_channel") == [
            1, *stored(site, made["start"], "pk"), "callback",
        ]  # fmt: skip

    # 7. every field of the contract is stored and shown, and each plays and seeks, for the other member.
    for uuid in made.values():
        plays_and_seeks(ben, site, uuid)
        shown = ben.locator(f"#generation-{uuid}").inner_text()
        for name, value in zip(FIELDS, stored(site, uuid, *FIELDS), strict=True):
            assert value, name
            assert str(value) in shown or ben.locator(f'[data-copy="{value}"]').count(), name


def test_a_result_is_recorded_and_seen_by_teammates_within_five_seconds(site, sign_in):
    ada, ben = sign_in(site, "ada"), sign_in(site, "ben")
    uuid = generate(ada, "Paper boats on a tide of ink")
    expect(card(ben, uuid)).to_have_attribute("data-state", "completed", timeout=30_000)
    seen = time.time()
    recorded = site.python(
        f"from videos.models import Generation\nprint(Generation.objects.get(uuid={uuid!r}).finished_at.timestamp())"
    )
    assert seen - float(recorded) < 5.5


def test_without_callbacks_results_are_polled(polling_site, sign_in):
    ada = sign_in(polling_site, "ada")
    uuid = generate(ada)
    ready(ada, uuid)
    assert stored(polling_site, uuid, "result_channel") == ["sweep"]


def test_without_a_public_address_frames_are_uploaded_to_the_provider(polling_site, sign_in):
    """An upload and a picture of a video here both become the first picture of a video."""
    ada, visitor = sign_in(polling_site, "ada"), polling_site.visitor()
    framed = generate(ada, "A harbour at noon", start=a_frame("teal"))
    ready(ada, framed)
    content = visitor.wait_until_saved(framed)
    first, _ = first_and_last(content)
    assert difference(first, Image.open(io.BytesIO(a_frame("teal")["buffer"]))) < 25

    ada.goto(f"{polling_site.url}/generations/{framed}/")
    ada.get_by_role("button", name="as start frame").click()
    expect(ada.locator('#video-form input[name="start_frame"]')).not_to_have_value("")
    ada.get_by_label("Prompt", exact=True).fill("The harbour at night")
    continued = press(ada, "Generate")
    ready(ada, continued)
    begins, _ = first_and_last(visitor.wait_until_saved(continued))
    assert difference(begins, first) < 25, "the player stands at its first picture"
    uploads = polling_site.python("from videos.models import UploadedFrame\nprint(UploadedFrame.objects.count())")
    assert int(uploads) == 2


def test_without_uploads_frames_can_still_be_given_as_links(polling_site, sign_in):
    polling_site.python(
        "from videos.models import ApiToken\n"
        "ApiToken.objects.get().refuse_uploads('api.example/files/upload answered 404.')"
    )
    try:
        ada = sign_in(polling_site, "ada")
        ada.get_by_text("Frames", exact=True).first.click()
        expect(ada.locator("#video-form")).to_contain_text("api.example/files/upload answered 404. Use a link instead.")
        expect(ada.locator("#video-form input[type=file]:enabled")).to_have_count(0)
        expect(ada.get_by_label("Link to start frame")).to_be_enabled()
    finally:
        polling_site.python("from videos.models import ApiToken\nApiToken.objects.get().accept_uploads()")


def test_an_extension_falls_back_from_id_to_link_to_our_copy(site):
    visitor = site.visitor()
    parent = visitor.submit(prompt="A fox crossing fresh snow at dawn")
    visitor.wait_until_saved(parent)
    video_id, link = stored(site, parent, "video_id", "video_url")
    site.python(
        "from videos.models import ApiToken\n"
        f"second = ApiToken(base_url='http://127.0.0.1:{site.sandbox_port}', name='second', priority=1)\n"
        "second.secret = 'sandbox-second'\n"
        "second.save()\n"
        "ApiToken.objects.filter(name='Sandbox').update(enabled=False)"
    )
    try:
        by_link = visitor.submit(action="extend", video_id=video_id, prompt="another token: the link")
        assert visitor.wait_for(by_link, "completed", "failed") == "completed"
        # The link expires: the provider deletes the file.
        media = httpx.URL(link).path.strip("/").removeprefix("media/")
        forgotten = list((site.folder / "sandbox").rglob(media.rsplit("/", 1)[1]))
        assert forgotten
        for file in forgotten:
            file.unlink()
        by_copy = visitor.submit(action="extend", video_id=video_id, prompt="no link either: our copy")
        assert visitor.wait_for(by_copy, "completed", "failed") == "completed"
        assert stored(site, by_copy, "parent_id") == stored(site, parent, "pk")
        site.python(
            f"from videos.models import Generation\nGeneration.objects.filter(uuid={parent!r}).update(archive='lost')"
        )
        by_nothing = visitor.submit(action="extend", video_id=video_id, prompt="nothing can work")
        assert visitor.wait_for(by_nothing, "completed", "failed") == "failed"
        assert "Video to extend not reachable" in visitor.http.get(f"/generations/{by_nothing}/").text
    finally:
        site.python(
            "from videos.models import ApiToken\nApiToken.objects.filter(name='Sandbox').update(enabled=True)\n"
            "ApiToken.objects.filter(name='second').update(enabled=False)"
        )


@pytest.mark.parametrize(
    ("mark", "state", "words"),
    [("[refuse]", "failed", "Refused by moderation"), ("[fail]", "failed", "failed to make this video"),
     ("[drop]", "completed", ""), ("[error]", "completed", ""), ("[early]", "completed", ""),
     ("[twice]", "completed", ""), ("[lost]", "completed", "")],
)  # fmt: skip
def test_failures_at_the_provider_are_shown_or_recovered(site, mark, state, words):
    visitor = site.visitor()
    uuid = visitor.submit(prompt=f"A lighthouse {mark}")
    assert visitor.wait_for(uuid, "completed", "failed", seconds=60) == state
    assert words in visitor.http.get(f"/generations/{uuid}/").text


def test_a_failure_is_retried_from_its_card(site, sign_in):
    ada = sign_in(site, "ada")
    uuid = generate(ada, "A crowd [refuse]")
    expect(card(ada, uuid)).to_have_attribute("data-state", "failed")
    expect(card(ada, uuid)).to_contain_text("Refused by moderation")
    # The form keeps the submitted prompt, so use another prompt to recognise the new form.
    ada.get_by_label("Prompt", exact=True).fill("Something else")
    card(ada, uuid).get_by_role("link", name="Edit & retry").click()
    expect(ada.get_by_label("Prompt", exact=True)).to_have_value("A crowd [refuse]")
    ada.get_by_label("Prompt", exact=True).fill("A crowd of paper birds")
    ready(ada, press(ada, "Generate"))


def test_a_card_that_arrives_twice_still_works(site, sign_in):
    """A quick refusal arrives with the poll as a new card after the form's response has added the same card."""
    ada = sign_in(site, "ada")
    uuid = generate(ada, "A choir [refuse]")
    expect(card(ada, uuid)).to_have_attribute("data-state", "failed")
    version = card(ada, uuid).evaluate(
        """(card) => {
            const day = card.closest(".day").cloneNode(true), version = Number(card.dataset.version) + 1;
            day.removeAttribute("data-joined");
            day.querySelector(".grid").replaceChildren(card.cloneNode(true));
            day.querySelector(".card").dataset.version = version;
            htmx.swap("#days", day.outerHTML, { swapStyle: "afterbegin", settleDelay: 20 });
            return version;
        }"""
    )
    expect(card(ada, uuid)).to_have_attribute("data-version", str(version))
    expect(card(ada, uuid)).to_have_count(1)
    with ada.expect_response("**/retries/") as answered:
        card(ada, uuid).get_by_role("button", name="Retry").click()
    assert answered.value.request.resource_type == "xhr"
    assert ada.url == f"{site.url}/"


def test_invalid_input_keeps_the_form_s_fields(site, sign_in):
    ada = sign_in(site, "ada")
    count = len(cards(ada))
    ada.get_by_text("Frames", exact=True).first.click()
    ada.locator('input[type="file"][name="start_image"]').set_input_files(a_frame("teal"))
    ada.locator("#video-form").get_by_role("button", name=re.compile("^Generate")).click()
    expect(ada.locator("#video-form")).to_contain_text("Describe what the video should show.")
    expect(ada.locator('#video-form input[name="start_frame"]')).to_have_value(re.compile("[0-9a-f-]{36}"))
    ada.get_by_label("Prompt", exact=True).fill("Now with words")
    press(ada, "Generate")
    assert len(cards(ada)) == count + 1


def test_a_double_click_creates_one_video(site, sign_in):
    ada = sign_in(site, "ada")
    before = int(site.python("from videos.models import Generation\nprint(Generation.objects.count())"))
    ada.get_by_label("Prompt", exact=True).fill("Only once, please")
    ada.locator("#video-form").get_by_role("button", name=re.compile("^Generate")).dblclick()
    expect(ada.locator(".card", has_text="Only once, please").first).to_be_visible()
    ada.wait_for_timeout(1500)
    after = int(site.python("from videos.models import Generation\nprint(Generation.objects.count())"))
    assert after == before + 1


@pytest.mark.parametrize("width", [360, 390, 1024, 1440, 2560])
def test_the_studio_does_not_overflow(site, sign_in, width):
    page = sign_in(site, "ada", viewport={"width": width, "height": 800})
    uuid = (cards(page) or [site.visitor().submit(prompt="A very long word: " + "w" * 300)])[0]
    for path in ("/", f"/generations/{uuid}/", f"/generations/{uuid}/reuse/"):
        page.goto(site.url + path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path


def test_on_a_phone_the_form_is_a_sheet(site, sign_in):
    page = sign_in(site, "ada", viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    expect(page.get_by_label("Prompt", exact=True)).not_to_be_in_viewport()
    page.get_by_role("link", name="New video").click()
    expect(page.get_by_label("Prompt", exact=True)).to_be_in_viewport()
    page.get_by_label("Prompt", exact=True).fill("From a phone")
    ready(page, press(page, "Generate"))


def test_the_main_job_works_without_javascript(site, sign_in):
    page = sign_in(site, "ben", java_script_enabled=False)
    page.get_by_label("Prompt", exact=True).fill("Without any script")
    page.get_by_role("button", name=re.compile("^Generate")).click()
    page.wait_for_url(f"{site.url}/")
    shown = page.locator(".card", has_text="Without any script").first
    expect(shown).to_be_visible()
    uuid = shown.get_attribute("id").removeprefix("generation-")
    site.visitor().wait_until_saved(uuid)
    page.goto(f"{site.url}/generations/{uuid}/")
    page.get_by_role("link", name="Extend").first.click()
    page.get_by_label("Prompt", exact=True).fill("And on, without any script")
    page.get_by_role("button", name=re.compile("^Extend")).click()
    expect(page.locator(".card", has_text="And on, without any script").first).to_be_visible()


def test_signing_out_closes_open_pages(site, sign_in):
    page = sign_in(site, "ben")
    page.get_by_role("button", name="Account of ben").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(re.compile("/login/"))
    page.goto(site.url)
    expect(page).to_have_url(re.compile("/login/"))
