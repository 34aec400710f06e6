"""The form and the cards of the gallery, as a member uses them."""

import io
import re
import time

from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, expect

from ..support.installation import Installation

PROMPT = "Astronauts shuttle from space to volcano"
KEYDOWNS = 6  # of a held key


def a_frame(color: str, size=(480, 270)) -> dict:
    """Return a picture to upload: a disc on a plain ground."""
    image = Image.new("RGB", size, color)
    ImageDraw.Draw(image).ellipse((180, 75, 300, 195), fill="white")
    out = io.BytesIO()
    image.save(out, "PNG")
    return {"name": f"{color}.png", "mimeType": "image/png", "buffer": out.getvalue()}


def generate(page: Page, prompt: str = PROMPT, start: dict | None = None, end: dict | None = None) -> str:
    """Fill the form, press Generate and return the UUID of the new card."""
    page.get_by_text("Frames" if start or end else "Text", exact=True).first.click()
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("radio", name="16:9").check(force=True)
    for name, picture in (("start_image", start), ("end_image", end)):
        if picture:
            page.locator(f'input[type="file"][name="{name}"]').set_input_files(picture)
    return press(page, "Generate")


def press(page: Page, name: str) -> str:
    before = set(cards(page))
    page.locator("#video-form").get_by_role("button", name=re.compile(f"^{name}")).click()
    for _ in range(100):
        if new := [uuid for uuid in cards(page) if uuid not in before]:
            return new[0]
        time.sleep(0.05)
    raise AssertionError(f"no new card: {page.locator('#video-form').inner_text()}")


def cards(page: Page) -> list[str]:
    ids = page.locator(".card").evaluate_all("cards => cards.map(card => card.id)")
    return [id_.removeprefix("generation-") for id_ in ids]


def card(page: Page, uuid: str) -> Locator:
    return page.locator(f"#generation-{uuid}")


def ready(page: Page, uuid: str) -> None:
    """Wait until the card shows the saved video's poster, without a reload."""
    expect(card(page, uuid)).to_have_attribute("data-state", "completed", timeout=40_000)
    expect(card(page, uuid).locator("video-preview img")).to_be_visible(timeout=20_000)


def load_shortcuts(page: Page) -> None:
    """Load the shortcuts, which come with the first user event, and move the pointer off the cards."""
    page.mouse.move(5, 5)
    page.wait_for_function("() => customElements.get('keyboard-shortcuts')")


def focus_card(page: Page, number: int) -> Locator:
    """Focus the link of a card and return the card."""
    found = page.locator(".card").nth(number)
    found.locator(".card-link").focus()
    return found


def prompt_field(page: Page) -> Locator:
    return page.get_by_label("Prompt", exact=True)


def wait_for_answers(page: Page) -> None:
    """Wait until a key press has taken effect and its requests are answered."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_function("() => !document.querySelector('.htmx-request')")


def hold_key(page: Page, key: str) -> None:
    """Hold the key, so that the browser gets repeated keydown events."""
    for _ in range(KEYDOWNS):
        page.keyboard.down(key)
        wait_for_answers(page)
    page.keyboard.up(key)
    wait_for_answers(page)


def record_writes(page: Page) -> list[str]:
    """Return a list that collects the URLs of requests that change something, from now on."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method != "GET" else None)
    return sent


def stored(site: Installation, uuid: str, *names: str) -> list[str]:
    code = (
        "from videos.models import Generation\n"
        f"row = Generation.objects.get(uuid={uuid!r})\n"
        f"print(*[repr(getattr(row, name)) for name in {names!r}], sep='\\n')"
    )
    return [eval(line, {}) for line in site.python(code).splitlines()]


def three_videos(site: Installation) -> dict[str, str]:
    """Create a finished video, a refused one and an extension, and return their UUIDs."""
    visitor = site.visitor()
    ready = visitor.submit(prompt="A heron over still water")
    refused = visitor.submit(prompt="A crowd [refuse]")
    visitor.wait_until_saved(ready)
    visitor.wait_for(refused, "failed")
    video_id = site.python(
        f"from videos.models import Generation\nprint(Generation.objects.get(uuid={ready!r}).video_id)"
    )
    child = visitor.submit(action="extend", video_id=video_id, prompt="It lands")
    visitor.wait_until_saved(child)
    return {"ready": ready, "refused": refused, "child": child}
