"""Pictures of every page and state, for the README and the next developer: make screenshots.

A real installation with the sandbox provider, a team of three, and a browser; the pictures go to docs/screenshots/.
"""

import io
import itertools
import os
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from .browser.conftest import FLAGS
from .find_browser import find
from .installation import PASSWORD, ROOT, Installation

TARGET = ROOT / "docs" / "screenshots"
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
QUALITY = 70
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
LONG = "A long walk through an old library at night. " * 30
STATES = """
from videos.models import Collection, Generation, Member, Star
ada, ben = (Member.objects.get(username=name) for name in ("ada", "ben"))
ready = list(Generation.objects.filter(state="completed").order_by("pk"))
Star.put(ada, ready[:3])
shelf, _ = Collection.objects.named("Client A", ada)
shelf.add(ready[:4], ada)
Collection.objects.named("Moodboard", ben)[0].add(ready[4:6], ben)
ready[4].choose("picked", ben)
ready[8].choose("rejected", ben)
"""
# After the pictures of the studio: a month of work, a budget, an invitation, a link.
LATER = """
import random
from datetime import timedelta
from django.utils import timezone
from videos.models import Balance, Generation, Member, Share, Terms
chance = random.Random(4)
ada, ben, joana = (Member.objects.get(username=name) for name in ("ada", "ben", "joana"))
for member, first, last in ((ada, "Ada", "Moreau"), (ben, "Ben", "Okafor"), (joana, "Joana", "Reis")):
    Member.objects.filter(pk=member.pk).update(first_name=first, last_name=last)
Terms.objects.update_or_create(pk=1, defaults={"team_limit": 400_000, "member_limit": 12_000})
joana.set_limit(ada, own=True, limit=60_000)
template = Generation.objects.filter(state="completed").first()
for row in Generation.objects.exclude(state__in=["queued", "submitting", "processing"]):
    at = timezone.now() - timedelta(days=chance.triangular(0, 28, 6))
    Generation.objects.filter(pk=row.pk).update(
        version=row.version + 1, changed_at=timezone.now(),
        created_at=at, finished_at=at + timedelta(seconds=chance.gauss(85, 20)))
template.refresh_from_db()
share = Share.objects.make(template, ada, days=7, chain=False, with_prompt=True)
print(share.secret_path)
"""


def seed(house: Installation) -> dict[str, str]:
    """A believable room; uuids of the videos that are shown on pages of their own."""
    for name in ("ben", "joana"):
        house.add_member(name)
    people = {name: house.visitor(name) for name in ("ada", "ben", "joana")}
    made = [people[who].submit(prompt=prompt, aspect_ratio=ratio) for who, prompt, ratio in PROMPTS]
    for uuid in made:
        people["ada"].wait_until_saved(uuid, seconds=120)
    parent = made[0]
    for prompt in ("The hatch opens onto the crater", "They step out into the glow"):
        code = f"from videos.models import Generation\nprint(Generation.objects.get(uuid={parent!r}).video_id)"
        parent = people["ada"].submit(action="extend", video_id=house.python(code), prompt=prompt)
        people["ada"].wait_until_saved(parent, seconds=60)
    takes = people["ada"].submit(prompt="A heron lifts off from still water", count="3")
    refused = people["ada"].submit(prompt="A crowd scene with a famous face [refuse]")
    unknown = people["ben"].submit(prompt="A clock without hands [drop] [lost]")
    people["ada"].wait_until_saved(takes, seconds=60)
    people["ada"].wait_for(refused, "failed")
    people["ada"].wait_for(unknown, "unconfirmed", "processing", "completed")
    long = people["joana"].submit(prompt=LONG)
    people["ada"].wait_until_saved(long, seconds=60)
    house.python(STATES)
    return {"chain": parent, "takes": takes, "failed": refused, "long": long, "portrait": made[1]}


def opened(page: Page) -> None:
    page.locator(".card:has(film-card) .card-link").nth(4).click(position={"x": 90, "y": 70})
    page.locator("#film-dialog[open] .film-page").wait_for()


def ticked(page: Page) -> None:
    for number in (0, 1, 2):
        page.locator(".card .select").nth(number).check(force=True)


def menu(page: Page) -> None:
    page.locator(".card [data-menu]").nth(1).click(force=True)
    page.locator("#card-menu:popover-open").wait_for()


def mode(name: str):
    def choose(page: Page) -> None:
        if page.locator("[data-open]").is_visible():
            page.locator("[data-open]").click()
        page.get_by_role("radio", name=name, exact=True).check(force=True)

    return choose


def wrong(page: Page) -> None:
    if page.locator("[data-open]").is_visible():
        page.locator("[data-open]").click()
    page.locator(".composer-foot [type=submit]").last.click()
    page.locator("#composer .error").first.wait_for()


def keys(page: Page) -> None:
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard shortcuts").wait_for()


def account(page: Page) -> None:
    page.get_by_role("button", name="Account of").click()


def again(page: Page) -> None:
    """The same request once more."""
    if page.locator("[data-open]").is_visible():
        page.locator("[data-open]").click()
    page.get_by_role("textbox", name="Prompt").fill(PROMPTS[0][1])
    page.locator(".composer-foot > [type=submit]").click()
    page.locator(".made").wait_for()


def too_much(page: Page) -> None:
    if page.locator("[data-open]").is_visible():
        page.locator("[data-open]").click()
    page.get_by_label("Several prompts at once").check()
    page.get_by_role("textbox", name="Prompt").fill("\n".join(f"A heron, shot {number}" for number in range(1, 13)))


def invite(page: Page) -> None:
    page.get_by_label("E-mail address").fill("mika@example.com")
    page.get_by_role("button", name="Make an invitation").click()
    page.locator("#secret-link").wait_for()


def later_pages(uuids: dict[str, str], watch: str) -> list[tuple]:
    return [
        ("already-made", "/", again),
        ("over-budget", "/", too_much),
        ("usage", "/usage/", None),
        ("usage-empty", "/usage/?since=2020-01-01&until=2020-01-31", None),
        ("budget", "/team/budget/", None),
        ("team", "/team/", None),
        ("team-invitation", "/team/", invite),
        ("member", "/team/2/", None),
        ("what-was-changed", "/team/changes/", None),
        ("profile", "/profile/", None),
        ("shares", f"/generations/{uuids['chain']}/shares/", None),
        ("all-shares", "/team/shares/", None),
        ("watch", watch, None),
        ("watch-gone", "/watch/nothing/here/", None),
        ("api-tokens", "/admin/videos/apitoken/", None),
        ("api-token", "/admin/videos/apitoken/1/change/", None),
        ("new-secret", "/admin/videos/apitoken/1/rotate/", None),
    ]


def pages(uuids: dict[str, str]) -> list[tuple]:
    """Name, path, and what is done before the picture is taken."""
    film = {name: f"/generations/{uuid}/" for name, uuid in uuids.items()}
    return [
        ("studio", "/", None),
        ("studio-filtered", "/?member=ada&state=ready", None),
        ("studio-no-result", "/?q=zeppelin&starred=1", None),
        ("studio-failures", "/?state=failed", None),
        ("selection", "/", ticked),
        ("card-menu", "/", menu),
        ("form-frames", "/", mode("Frames")),
        ("form-extend", f"{film['chain']}extend/", None),
        ("form-errors", "/", wrong),
        ("video-dialog", "/", opened),
        ("video", film["chain"], None),
        ("video-failed", film["failed"], None),
        ("video-long-prompt", film["long"], None),
        ("video-portrait", film["portrait"], None),
        ("compare", f"/compare/?takes_of={uuids['takes']}", None),
        ("collections", "/collections/", None),
        ("trash", "/trash/", None),
        ("keys", "/", keys),
        ("account", "/", account),
        ("not-found", "/nowhere/", None),
    ]


def shoot(page: Page, name: str) -> None:
    page.wait_for_timeout(350)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(TARGET / f"{name}.jpg", quality=QUALITY, optimize=True)


def main() -> int:
    browser_path = os.environ.get("LUMAWEB_TEST_BROWSER") or find()
    if not browser_path:
        print("No Chromium found: `make test` says how to get one.", file=sys.stderr)
        return 1
    TARGET.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="lumaweb-screenshots-"))
    house = Installation(folder, SANDBOX_SCALE="0.5")
    names = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        try:
            house.start()
            uuids: dict[str, str] = {}
            watch = ""
            # What comes later changes the rooms that were shown before it.
            for later, scheme, size in itertools.product((False, True), ("dark", "light"), SIZES):
                width, height = SIZES[size]
                phone = size == "phone"
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,
                    is_mobile=phone,
                    has_touch=phone,
                    reduced_motion="reduce",
                )
                page = context.new_page()
                page.goto(f"{house.url}/login/")
                if not later:
                    names.append(f"login-{size}-{scheme}")
                    shoot(page, names[-1])
                page.get_by_label("Username").fill("ada")
                page.get_by_label("Password").fill(PASSWORD)
                page.get_by_role("button", name="Sign in").click()
                page.wait_for_url(f"{house.url}/")
                if not uuids:
                    names.append("studio-empty-desktop-dark")
                    shoot(page, names[-1])
                    uuids = seed(house)
                shown = pages(uuids)
                if later:
                    watch = watch or house.python(LATER).strip()
                    shown = later_pages(uuids, watch)
                for name, path, act in shown:
                    page.goto(house.url + path)
                    page.wait_for_load_state("networkidle")
                    if act:
                        act(page)
                    names.append(f"{name}-{size}-{scheme}")
                    shoot(page, names[-1])
                context.close()
        finally:
            browser.close()
            house.stop()
            shutil.rmtree(folder, ignore_errors=True)
    lines = [f"### {name}\n\n![{name}]({name}.jpg)\n" for name in names]
    (TARGET / "README.md").write_text("# Every page and state\n\nMade by `make screenshots`.\n\n" + "\n".join(lines))
    total = sum(path.stat().st_size for path in TARGET.glob("*.jpg"))
    print(f"{len(names)} pictures, {total / 1024**2:.1f} MB, in docs/screenshots")
    return 0


if __name__ == "__main__":
    sys.exit(main())
