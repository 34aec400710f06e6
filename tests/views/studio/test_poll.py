"""The poll of the gallery, and its pages."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from videos.models import Generation, HoldReason

from ...support.factories import a_generation, a_member

pytestmark = pytest.mark.django_db


def test_the_poll_reports_changes_once(client, ada, token):
    generation = a_generation(ada)
    answer = client.get("/live/", {"since": "0", "newest": "0", "top": "1"})
    assert f"generation-{generation.uuid}" in answer.content.decode()
    known = f"{generation.pk}:{generation.version}"
    since = generation.changed_at.timestamp()
    ask = {"since": since, "known": known, "newest": generation.pk, "top": "1"}
    assert client.get("/live/", ask).status_code == 204
    generation.claim()
    answer = client.get("/live/", ask)
    assert 'data-state="submitting"' in answer.content.decode()


def test_an_idle_poll_is_one_query_besides_session_and_member(client, ada, django_assert_num_queries):
    a_generation(ada)
    later = "99999999999"
    with django_assert_num_queries(3):
        assert client.get("/live/", {"since": later}).status_code == 204


@pytest.mark.parametrize(
    "query",
    ["since=x", "since=1e400", "since=nan", "known=a:b 1:2:3 ::", "newest=99999999999999999999", "only=x"],
)
def test_an_invalid_poll_is_no_error(client, ada, query):
    a_generation(ada)
    assert client.get(f"/live/?{query}").status_code in (200, 204)


def test_below_the_top_new_videos_are_announced_by_a_pill(client, ada):
    for _ in range(3):
        a_generation(ada)
    text = client.get("/live/", {"since": "0", "newest": "0", "top": "0"}).content.decode()
    assert "3 new" in text
    assert 'class="card' not in text


def test_pages_are_linked_by_cursor(client, ada, django_assert_max_num_queries):
    for number in range(60):
        a_generation(ada, prompt=f"number {number}")
    first = client.get("/").content.decode()
    assert first.count('id="generation-') == 48
    cursor = Generation.objects.order_by("-pk")[47].pk
    with django_assert_max_num_queries(10):
        second = client.get(f"/?before={cursor}").content.decode()
    assert second.count('id="generation-') == 12
    assert client.get("/?before=garbage").status_code == 200


def test_a_flood_of_changes_is_reported_over_several_polls(client, ada):
    """More rows than one response carries: each poll continues where the last ended."""
    member = a_member("ben")
    start = timezone.now() - timezone.timedelta(seconds=10)
    rows = [a_generation(member) for _ in range(450)]
    for number, row in enumerate(rows):
        Generation.objects.filter(pk=row.pk).update(changed_at=start + timezone.timedelta(milliseconds=20 * number))
    told, ask = set(), {"since": f"{start.timestamp():.3f}", "newest": rows[-1].pk, "known": ""}
    for _ in range(6):
        answer = client.get("/live/", ask)
        if answer.status_code == 204:
            break
        text = answer.content.decode()
        told |= set(re.findall(r'id="generation-([0-9a-f-]{36})"', text))
        ask |= dict(re.findall(r'data-(since|known)="([^"]*)"', text.partition("<live-state")[2]))
    assert len(told) == 450
    assert client.get("/live/", ask).status_code == 204


def test_polls_settle_after_a_change_of_many_videos(client):
    ada = a_member("ada")
    client.force_login(ada)
    rows = [a_generation(ada, takes=4) for _ in range(100)]
    page = client.get("/").context["poll"]
    assert Generation.objects.hold(HoldReason.PROVIDER) == 400
    told = set()
    for _ in range(8):
        answer = client.get("/live/", page | {"top": "1"})
        if answer.status_code == 204:
            break
        told |= {card.pk for card in answer.context["changed"]}
        page = answer.context["poll"]
    assert answer.status_code == 204, "it sends the same state again and again"
    assert len(told) == 400
    new = a_generation(ada)
    assert f"generation-{new.uuid}" in client.get("/live/", page | {"top": "1"}).content.decode()
    assert rows


def test_the_poll_of_a_page_from_yesterday_says_what_day_it_is(client, ada):
    today = timezone.localdate()
    assert client.get("/live/", {"day": today.isoformat()}).status_code == 204
    answer = client.get("/live/", {"day": (today - timedelta(days=1)).isoformat()})
    assert f'data-day="{today.isoformat()}"' in answer.content.decode()
