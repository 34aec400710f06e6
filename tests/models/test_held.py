"""Hold rows after a restore, so that nothing is sent twice."""

import pytest
from django.urls import reverse
from django.utils import timezone

from videos import tasks
from videos.jobs import sweep
from videos.models import ApiToken, Generation, HoldReason

from ..support.factories import a_generation, a_member, an_admin, running
from ..support.finished_videos import kinds

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]


def held(token, count: int = 1) -> list[Generation]:
    for number in range(count):
        a_generation(prompt=f"number {number}")
    assert Generation.objects.hold_after_restore() == (count, 0)
    return list(Generation.objects.order_by("pk"))


def test_a_held_row_is_not_sent(stub, token):
    (generation,) = held(token)
    tasks.drain()
    sweep.sweep()
    assert generation.claim() is None
    generation.refresh_from_db()
    assert (generation.state, stub.posts, kinds(generation)[-1]) == ("queued", [], "held")
    assert "Held" in generation.explanation.title
    assert "Ask an admin to release it." in generation.explanation.for_members


def test_a_row_that_was_being_sent_becomes_unconfirmed_and_frees_its_slot(stub, token):
    generation, other = a_generation(), a_generation()
    generation.claim()
    other.claim()
    other.record(running(), "answer")
    ApiToken.objects.update(in_flight=7)
    version = generation.version
    assert Generation.objects.hold_after_restore() == (0, 1)
    generation.refresh_from_db()
    token.refresh_from_db()
    assert (generation.state, generation.error_code, token.in_flight) == ("unconfirmed", "interrupted", 1)
    assert generation.version == version + 1
    assert generation.events.last().text == "It was being sent when the backup was made."
    tasks.drain()
    assert not stub.posts


def test_a_released_row_is_sent_once(stub, token):
    first, second = held(token, 2)
    assert first.release(an_admin())
    assert not first.release(an_admin("another")), "only what is held can be released"
    tasks.drain()
    second.refresh_from_db()
    assert [post["prompt"] for post in stub.posts] == ["number 0"]
    assert second.held_at


def test_a_held_row_can_be_canceled(token):
    (generation,) = held(token)
    assert generation.cancel(generation.member)
    assert not generation.release(generation.member)


def test_the_card_of_a_held_row_says_so(client, token):
    (generation,) = held(token)
    client.force_login(generation.member)
    for page in ("/", generation.get_absolute_url()):
        text = client.get(page).text
        assert "Held" in text
        assert "Ask an admin to release it." in text


def test_an_admin_releases_single_rows_or_all(client, stub, token):
    rows = held(token, 4)
    changelist = reverse("admin:videos_generation_changelist")
    client.force_login(a_member("staff", is_staff=True))
    assert client.post(reverse("admin:videos_generation_release")).status_code == 403
    client.force_login(an_admin())
    assert "4 held after a restore" in client.get(changelist).text
    told = client.post(changelist, {"action": "release", "_selected_action": [rows[2].pk]}, follow=True)
    assert "1 released" in told.text
    assert client.get(reverse("admin:videos_generation_release")).status_code == 403, "a look changes nothing"
    tasks.drain()
    assert [post["prompt"] for post in stub.posts] == ["number 2"]
    told = client.post(reverse("admin:videos_generation_release"), follow=True)
    assert "3 released" in told.text
    assert "held after a restore:" not in told.text
    tasks.drain()
    assert sorted(post["prompt"] for post in stub.posts) == [f"number {number}" for number in range(4)]
    assert rows[0].events.get(kind="released").member.username == "root"


def test_the_admin_page_warns_only_about_videos_that_may_have_been_sent(client, token):
    changelist = reverse("admin:videos_generation_changelist")
    client.force_login(an_admin())
    a_generation()
    Generation.objects.hold(HoldReason.PROVIDER)
    text = client.get(changelist).text
    assert "1 held and not sent." in text and "after a restore" not in text
    a_generation(prompt="Another")
    Generation.objects.filter(held_at=None).update(held_at=timezone.now(), hold_reason="restore")
    assert "2 held, 1 of them after a restore: videos that were queued" in client.get(changelist).text
