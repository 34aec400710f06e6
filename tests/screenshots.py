"""Take screenshots of every page and state.

    make screenshots               all of them, into screenshots/, which is not tracked
    make screenshots ARGS=--docs   those that the docs show, into docs/screenshots/

Starts an installation with the sandbox provider and a team of three, and drives a browser.
"""

import argparse
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from .browser.conftest import FLAGS
from .find_browser import find
from .support.installation import PASSWORD, ROOT, Installation

Act = Callable[[Page], None]

ALL = ROOT / "screenshots"
DOCS = ROOT / "docs" / "screenshots"
SHOWN_IN_DOCS = {
    "api-tokens-desktop-dark",
    "budget-desktop-dark",
    "compare-desktop-dark",
    "form-frames-desktop-dark",
    "keys-desktop-dark",
    "selection-desktop-dark",
    "studio-desktop-dark",
    "studio-phone-light",
    "team-desktop-dark",
    "usage-desktop-dark",
    "video-desktop-dark",
    "watch-desktop-light",
}
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
JPEG_QUALITY = 70
PROMPTS = [
    ("ada", "Astronauts shuttle from space to volcano, slow dolly in, ash drifting past the lens", "16:9"),
    ("ben", "Rain on neon, tracking shot through a night market", "9:16"),
    ("joana", "A fox crossing fresh snow at dawn, breath visible, long lens", "16:9"),
    ("ada", "Paper boats on a tide of ink, seen from above", "1:1"),
    ("ben", "Aurora over a frozen lake, a lone tent glowing", "16:9"),
    ("joana", "مركب شراعي يعبر البحر عند الغروب", "4:3"),
    ("ben", "雪山下的湖泊,晨雾缓缓散开", "21:9"),
    ("ada", "A lighthouse in the storm, waves against the rocks", "9:16"),
    ("joana", "Desert road at noon, heat shimmer, a single red car far away", "16:9"),
    ("ada", "A whale under the ice, light falling through the cracks", "3:4"),
]
LONG_PROMPT = "A long walk through an old library at night. " * 30
STARS_AND_COLLECTIONS = """
from videos.models import Collection, Generation, Member, Star
ada, ben = (Member.objects.get(username=name) for name in ("ada", "ben"))
ready = list(Generation.objects.filter(state="completed").order_by("pk"))
Star.add(ada, ready[:3])
client, _ = Collection.objects.named("Client A", ada)
client.add(ready[:4], ada)
Collection.objects.named("Moodboard", ben)[0].add(ready[4:6], ben)
ready[4].choose("picked", ben)
ready[8].choose("rejected", ben)
"""
# A month of work, a budget and a share link. They change the studio, so its screenshots are taken before.
MONTH_OF_WORK = """
import random
from datetime import timedelta
from django.utils import timezone
from videos.models import Balance, Collection, Generation, Member, Share, Pricing
chance = random.Random(4)
ada, ben, joana = (Member.objects.get(username=name) for name in ("ada", "ben", "joana"))
for member, first, last in ((ada, "Ada", "Moreau"), (ben, "Ben", "Okafor"), (joana, "Joana", "Reis")):
    Member.objects.filter(pk=member.pk).update(first_name=first, last_name=last)
Pricing.objects.update_or_create(pk=1, defaults={"team_limit": 400_000, "member_limit": 12_000})
joana.set_limit(ada, own=True, limit=60_000)
template = Generation.objects.filter(state="completed").first()
for row in Generation.objects.exclude(state__in=["queued", "submitting", "processing"]):
    at = timezone.now() - timedelta(days=chance.triangular(0, 28, 6))
    Generation.objects.filter(pk=row.pk).update(
        version=row.version + 1, changed_at=timezone.now(),
        created_at=at, finished_at=at + timedelta(seconds=chance.gauss(85, 20)))
template.refresh_from_db()
share = Share.objects.create_for(template, ada, days=7, chain=False, with_prompt=True)
several = Share.objects.create_for_videos(
    Collection.objects.get(name="Client A").generations.order_by("-pk"), ada,
    days=7, title="Client A, second round", with_prompt=True, download=True)
print(share.secret_path, several.secret_path)
"""


def seed(installation: Installation) -> dict[str, str]:
    """Make a believable gallery; return the uuids of the videos that have a page in the screenshots."""
    for name in ("ben", "joana"):
        installation.add_member(name)
    people = {name: installation.visitor(name) for name in ("ada", "ben", "joana")}
    # The newest are on top in the gallery, so failures and the long prompt come first.
    refused = people["ada"].submit(prompt="A crowd scene with a famous face [refuse]")
    unknown = people["ben"].submit(prompt="A clock without hands [drop] [lost]")
    long = people["joana"].submit(prompt=LONG_PROMPT)
    people["ada"].wait_for(refused, "failed")
    people["ada"].wait_for(unknown, "unconfirmed", "processing", "completed")
    people["ada"].wait_until_saved(long, seconds=60)
    videos = [people[who].submit(prompt=prompt, aspect_ratio=ratio) for who, prompt, ratio in PROMPTS]
    for uuid in videos:
        people["ada"].wait_until_saved(uuid, seconds=120)
    parent = videos[0]
    for prompt in ("The hatch opens onto the crater", "They step out into the glow"):
        code = f"from videos.models import Generation\nprint(Generation.objects.get(uuid={parent!r}).video_id)"
        parent = people["ada"].submit(action="extend", video_id=installation.python(code), prompt=prompt)
        people["ada"].wait_until_saved(parent, seconds=60)
    takes = people["ada"].submit(prompt="A heron lifts off from still water", count="3")
    people["ada"].wait_until_saved(takes, seconds=60)
    installation.python(STARS_AND_COLLECTIONS)
    return {"chain": parent, "takes": takes, "failed": refused, "long": long, "portrait": videos[1]}


def open_form(page: Page) -> None:
    """Open the form where the page is too narrow to show it."""
    if page.locator("[data-open]").is_visible():
        page.locator("[data-open]").click()


def open_video(page: Page) -> None:
    page.locator(".card:has(video-preview) .card-link").nth(4).click(position={"x": 90, "y": 70})
    page.locator("#video-dialog[open] .video-page").wait_for()


def select_three(page: Page) -> None:
    for number in (0, 1, 2):
        page.locator(".card .select").nth(number).check(force=True)


def share_three(page: Page) -> None:
    select_three(page)
    page.locator("#selection").get_by_role("button", name="Share").click()
    page.locator("#share-dialog[open]").wait_for()


def play_all(page: Page) -> None:
    page.get_by_role("button", name="Play all").click()
    page.locator(".chain[open]").wait_for()


def open_card_menu(page: Page) -> None:
    page.locator(".card [data-menu]").nth(1).click(force=True)
    page.locator("#card-menu:popover-open").wait_for()


def choose_frames(page: Page) -> None:
    open_form(page)
    page.get_by_role("radio", name="Frames", exact=True).check(force=True)


def submit_empty_form(page: Page) -> None:
    open_form(page)
    page.locator(".video-form-foot [type=submit]").last.click()
    page.locator("#video-form .error").first.wait_for()


def show_shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard shortcuts").wait_for()


def open_account_menu(page: Page) -> None:
    page.get_by_role("button", name="Account of").click()


def submit_equal_request(page: Page) -> None:
    open_form(page)
    page.get_by_role("textbox", name="Prompt").fill(PROMPTS[0][1])
    page.locator(".video-form-foot > [type=submit]").click()
    page.locator(".existing").wait_for()


def exceed_budget(page: Page) -> None:
    open_form(page)
    page.get_by_label("Multiple prompts").check()
    page.get_by_role("textbox", name="Prompt").fill("\n".join(f"A heron, shot {number}" for number in range(1, 13)))


def invite(page: Page) -> None:
    page.get_by_label("Email address").fill("mika@example.com")
    page.get_by_role("button", name="Create invitation").click()
    page.locator("#secret-link").wait_for()


def show_small_cards(page: Page) -> None:
    """Show them without storing the choice, which other screenshots would have too."""
    page.evaluate(
        "document.querySelectorAll('#card-size button').forEach(one => one.ariaPressed = String(one.value === 'small'))"
    )


def force_colors(page: Page) -> None:
    page.emulate_media(forced_colors="active")
    select_three(page)


def checked(page: Page) -> None:
    page.locator("#health[data-state=checked]").wait_for()


def studio_pages(uuids: dict[str, str]) -> list[tuple[str, str, Act | None]]:
    """Name, path, and the act that leads to the state to show."""
    video = {name: f"/generations/{uuid}/" for name, uuid in uuids.items()}
    return [
        ("studio", "/", None),
        ("studio-filtered", "/?member=ada&state=ready", None),
        ("studio-no-result", "/?q=zeppelin&starred=1", None),
        ("studio-failures", "/?state=failed", None),
        ("selection", "/", select_three),
        ("studio-small-cards", "/", show_small_cards),
        ("studio-forced-colors", "/?ratio=16%3A9", force_colors),
        ("card-menu", "/", open_card_menu),
        ("form-frames", "/", choose_frames),
        ("form-extend", f"{video['chain']}extend/", None),
        ("form-errors", "/", submit_empty_form),
        ("video-dialog", "/", open_video),
        ("video", video["chain"], None),
        ("video-failed", video["failed"], None),
        ("video-long-prompt", video["long"], None),
        ("video-portrait", video["portrait"], None),
        ("compare", f"/compare/?takes_of={uuids['takes']}", None),
        ("collections", "/collections/", None),
        ("trash", "/trash/", None),
        ("keys", "/", show_shortcuts),
        ("account", "/", open_account_menu),
        ("not-found", "/nowhere/", None),
    ]


def team_pages(uuids: dict[str, str], watch_path: str, several_path: str) -> list[tuple[str, str, Act | None]]:
    """The pages that need a month of work."""
    return [
        ("already-made", "/", submit_equal_request),
        ("over-budget", "/", exceed_budget),
        ("usage", "/usage/", None),
        ("usage-empty", "/usage/?since=2020-01-01&until=2020-01-31", None),
        ("budget", "/team/budget/", None),
        ("provider", "/provider/", None),
        ("missing-tasks", "/provider/missing/", None),
        ("team", "/team/", None),
        ("health", "/settings/health/", checked),
        ("storage", "/settings/storage/", None),
        ("storage-rejected", "/settings/storage/rejected/", None),
        ("sign-in", "/settings/sign-in/", None),
        ("mail", "/settings/mail/", None),
        ("team-invitation", "/team/", invite),
        ("member", "/team/2/", None),
        ("audit-trail", "/team/changes/", None),
        ("balance", "/provider/account/", None),
        ("profile", "/profile/", None),
        ("shares", f"/generations/{uuids['chain']}/shares/", None),
        ("all-shares", "/team/shares/", None),
        ("own-shares", "/shares/", None),
        ("share-selection", "/", share_three),
        ("watch", watch_path, None),
        ("watch-videos", several_path, None),
        ("watch-player", several_path, play_all),
        ("watch-gone", "/watch/nothing/here/", None),
        ("api-tokens", "/admin/videos/apitoken/", None),
        ("api-token", "/admin/videos/apitoken/1/change/", None),
        ("new-secret", "/admin/videos/apitoken/1/rotate/", None),
    ]


class Camera:
    """Takes the wanted screenshots of one installation, in each size and colour scheme."""

    def __init__(self, browser: Browser, url: str, target: Path, wanted: set[str] | None) -> None:
        self.browser = browser
        self.url = url
        self.target = target
        self.wanted = wanted
        self.taken = 0

    def take_all(self, pages: list[tuple[str, str, Act | None]], signed_in: bool = True) -> None:
        for scheme in ("dark", "light"):
            for size in SIZES:
                wanted = [page for page in pages if self._wants(f"{page[0]}-{size}-{scheme}")]
                if not wanted:
                    continue
                with self._page(size, scheme, signed_in) as page:
                    for name, path, act in wanted:
                        self._take(page, f"{name}-{size}-{scheme}", path, act)

    def _wants(self, name: str) -> bool:
        return self.wanted is None or name in self.wanted

    @contextmanager
    def _page(self, size: str, scheme: str, signed_in: bool) -> Iterator[Page]:
        width, height = SIZES[size]
        phone = size == "phone"
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            is_mobile=phone,
            has_touch=phone,
            reduced_motion="reduce",
        )
        page = context.new_page()
        if signed_in:
            page.goto(f"{self.url}/login/")
            page.get_by_label("Username").fill("ada")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{self.url}/")
        yield page
        context.close()

    def _take(self, page: Page, name: str, path: str, act: Act | None) -> None:
        page.emulate_media(forced_colors="none")
        page.goto(self.url + path)
        page.wait_for_load_state("networkidle")
        if act:
            act(page)
        # A player shows a spinner until it has loaded the first frame.
        page.wait_for_timeout(2000 if page.locator("video[src]").count() else 350)
        with Image.open(io.BytesIO(page.screenshot())) as picture:
            picture.convert("RGB").save(self.target / f"{name}.jpg", quality=JPEG_QUALITY, optimize=True)
        self.taken += 1


def take_screenshots(camera: Camera, installation: Installation) -> None:
    camera.take_all([("login", "/login/", None)], signed_in=False)
    camera.take_all([("studio-empty", "/", None)])
    uuids = seed(installation)
    camera.take_all(studio_pages(uuids))
    watch_paths = installation.python(MONTH_OF_WORK).split()
    camera.take_all(team_pages(uuids, *watch_paths))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make screenshots")
    parser.add_argument("--docs", action="store_true", help="only those that the docs show, into docs/screenshots/")
    docs = parser.parse_args().docs
    browser_path = os.environ.get("LUMAWEB_TEST_BROWSER") or find()
    if not browser_path:
        print("No Chromium found: `make test` says how to get one.", file=sys.stderr)
        return 1
    target = DOCS if docs else ALL
    target.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="lumaweb-screenshots-"))
    installation = Installation(folder, SANDBOX_SCALE="0.5", LUMAWEB_BACKUP_DIR=str(folder / "backups"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        try:
            installation.start()
            camera = Camera(browser, installation.url, target, SHOWN_IN_DOCS if docs else None)
            take_screenshots(camera, installation)
        finally:
            browser.close()
            installation.stop()
            shutil.rmtree(folder, ignore_errors=True)
    total = sum(path.stat().st_size for path in target.glob("*.jpg"))
    print(f"{camera.taken} screenshots, {total / 1024**2:.1f} MB, in {target.relative_to(ROOT)}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
