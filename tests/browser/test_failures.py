"""Failed videos in the gallery: what their cards say to whom, and what a selection of them can do."""

import pytest
from playwright.sync_api import Locator, Page, expect

from ..support.installation import Installation
from ..support.processes import wait_until
from .many_videos import add_videos

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("failures")).start()
    site.add_member("ben")
    add_videos(site, 3)
    yield site
    site.stop()


def fail(site: Installation, username: str, *prompts: str, state: str = "failed", code: str = "api_error") -> list[str]:
    """Create videos of a member that ended without a video; return the ids of their cards."""
    return site.python(
        "import uuid\n"
        "from django.db import transaction\n"
        "from videos.models import Generation, Member, Submission\n"
        f"member = Member.objects.get(username={username!r})\n"
        # In one transaction, so that no worker sees the rows queued and sends them.
        "with transaction.atomic():\n"
        f"    for prompt in {prompts!r}:\n"
        "        submission, _ = Submission.objects.open(member, uuid.uuid4(), 1, prompt=prompt)\n"
        "        row = submission.generations.get()\n"
        f"        facts = dict(state={state!r}, error_code={code!r}, task_id=row.uuid, accepted_at=row.created_at)\n"
        "        Generation.objects.filter(pk=row.pk).update(**facts)\n"
        "        print(f'generation-{row.uuid}')"
    ).split()


def empty(site: Installation) -> None:
    """Leave no video in the gallery but finished ones; none that is under way, as its end would change the budget."""
    under_way = (
        "from videos.models import Generation\n"
        "print(Generation.objects.filter(state__in=['queued', 'submitting', 'processing']).count())"
    )
    wait_until(lambda: site.python(under_way).strip() == "0", seconds=60)
    site.python(
        "from django.utils import timezone\n"
        "from videos.models import Generation\n"
        "Generation.objects.exclude(state='completed').update(trashed_at=timezone.now(), state='failed')"
    )


def select(page: Page, *selectors: str) -> None:
    """Select the first card of each selector. A card shows its checkbox while the pointer is on it."""
    for selector in selectors:
        card = page.locator(selector).first
        card.hover()
        card.get_by_role("checkbox", name="Select").check()


def bar(page: Page) -> Locator:
    return page.locator("#selection")


def test_a_selection_offers_what_this_reader_can_do_with_it(site, sign_in):
    [hers] = fail(site, "ada", "Hers broke")
    mine, other = fail(site, "ben", "Mine broke", "Mine too")
    [unknown] = fail(site, "ben", "Nobody knows", state="unconfirmed")
    [dismissed] = fail(site, "ben", "No longer waited for", code="dismissed")
    ben = sign_in(site, "ben")
    expect(ben.locator(f"#{hers}")).to_contain_text(
        "only finished videos are charged. Its author or an admin can retry it."
    )
    expect(ben.locator(f"#{mine}")).to_contain_text("only finished videos are charged. Retry it.")
    select(ben, f"#{hers}")
    expect(bar(ben).get_by_role("button", name="Retry")).to_be_hidden()
    expect(bar(ben).get_by_role("button", name="Move to trash")).to_be_disabled()
    for name in ("Star", "Compare", "Download ZIP"):
        expect(bar(ben).get_by_role("button", name=name)).to_be_hidden()
    select(ben, *(f"#{id_}" for id_ in (mine, other, unknown, dismissed)))
    expect(bar(ben).get_by_role("button", name="Retry 2 · 2 credits", exact=True)).to_be_enabled()
    expect(bar(ben).get_by_role("button", name="Move 3 to trash", exact=True)).to_be_enabled()
    select(ben, ".card[data-state=completed]")
    expect(bar(ben).get_by_role("button", name="Star")).to_be_visible()
    bar(ben).get_by_role("button", name="Retry").click()
    toast = ben.locator(".toast", has_text="Retried 2 videos.")
    expect(toast).to_contain_text("1 video can only be retried by their author or an admin.")
    expect(toast).to_contain_text("2 videos may be charged twice: retry each on its card.")
    expect(bar(ben)).to_be_hidden()
    # Pressed again for the same videos while their retries wait or run, it creates nothing.
    select(ben, f"#{mine}", f"#{other}")
    bar(ben).get_by_role("button", name="Retry").click()
    expect(ben.locator(".toast", has_text="2 videos were retried already.")).to_be_visible()
    for prompt in ("Mine broke", "Mine too"):
        expect(ben.locator(".card", has_text=prompt)).to_have_count(2)
    empty(site)


def test_a_retry_shows_what_it_costs_beyond_the_budget(site, sign_in):
    ids = fail(site, "ben", *(f"Costly {number}" for number in range(3)))
    site.python(
        "from videos.models import Balance, Member, Pricing\n"
        "ada, ben = (Member.objects.get(username=name) for name in ('ada', 'ben'))\n"
        "used = Balance.objects.filter(member=ben).first().used\n"
        "ben.set_limit(ada, own=True, limit=used + 1000)"
    )
    ben = sign_in(site, "ben")
    select(ben, *(f"#{id_}" for id_ in ids))
    expect(bar(ben).get_by_role("button", name="Retry 3 · 3 credits, 1 credit left", exact=True)).to_be_visible()
    bar(ben).get_by_role("button", name="Retry").click()
    expect(ben.locator(".toast", has_text="Retried 1 video.")).to_contain_text(
        "The others were not retried: This takes"
    )
    site.python(
        "from videos.models import Member\n"
        "ada, ben = (Member.objects.get(username=name) for name in ('ada', 'ben'))\n"
        "ben.set_limit(ada, own=False, limit=None)"
    )
    empty(site)


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 900}], ids=["phone", "desktop"])
def test_failed_videos_are_cleared_at_once_with_undo_in_two_tabs(site, sign_in, viewport):
    ids = fail(site, "ada", *(f"Broken {number}" for number in range(4)))
    ada, late = sign_in(site, "ada", viewport=viewport), sign_in(site, "ada")
    for page in (ada, late):
        page.goto(f"{site.url}/?state=failed")
        select(page, f"#{ids[0]}")
        bar(page).get_by_role("button", name="Select all").click()
        expect(bar(page)).to_contain_text("4 selected")
        expect(bar(page).get_by_role("button", name="Select all")).to_be_hidden()
    for name in ("Retry", "Add to collection", "Move to trash", "Clear"):
        button = bar(ada).get_by_role("button", name=name)
        expect(button).to_be_in_viewport(ratio=1)
    late.route("**/live/**", lambda route: route.abort())
    bar(ada).get_by_role("button", name="Move to trash").click()
    expect(ada.locator(".card")).to_have_count(0)
    bar(late).get_by_role("button", name="Move to trash").click()
    expect(late.locator(".toast", has_text="The selected videos are in the trash already.")).to_be_visible()
    ada.locator(".toast").get_by_role("button", name="Undo").click()
    expect(ada.locator(".card[data-state=failed]")).to_have_count(4)
    empty(site)
