"""Why a queued video waits, on its card and for admins."""

import pytest
from django.utils import timezone

from videos.models import ApiToken, Pool

from ..support.factories import a_generation, a_member, a_token, an_admin

pytestmark = pytest.mark.django_db(transaction=True)

REASONS = {
    "no token": ([], "there is no API token yet. Ask an admin to add one."),
    "paused": ([{"enabled": False}], "every API token is paused. Ask an admin to resume one."),
    "used up": ([{"health": "used_up"}], "the balance of every API token is used up. Ask an admin to top it up."),
    "invalid": ([{"health": "invalid"}], "no API token is valid. Ask an admin to fix the API tokens."),
    "both": ([{"health": "used_up"}, {"health": "invalid"}], "every API token is used up or not valid."),
    "resting": ([{"health": "limited"}, {"health": "invalid"}], "sending is paused until "),
    "probing": (
        [{"health": "limited", "probe": "look_up", "limited_until": timezone.now() - timezone.timedelta(seconds=1)}],
        "Lumaweb is checking whether the provider answers again.",
    ),
    "busy": ([{"in_flight": 2, "max_in_flight": 2}, {"health": "used_up"}], "the maximum number of videos is being"),
    "lowered": ([{"in_flight": 2, "max_in_flight": 9, "effective_limit": 2}], "the maximum number of videos is being"),
    "sending": ([{"sending": 2, "in_flight": 2, "clear_at": None}], "the maximum number of videos is being sent"),
    "room": ([{"in_flight": 1, "max_in_flight": 2}, {"health": "used_up"}], ""),
    "rested": ([{"health": "limited", "limited_until": timezone.now() - timezone.timedelta(seconds=1)}], ""),
}


@pytest.mark.parametrize("case", REASONS)
def test_a_queued_card_says_why_it_waits(client, case):
    tokens, words = REASONS[case]
    for number, facts in enumerate(tokens):
        soon = (
            {"limited_until": timezone.now() + timezone.timedelta(minutes=5)}
            if facts.get("health") == "limited"
            else {}
        )
        a_token(f"sandbox-{number}", **(soon | facts))
    ada = a_member("ada")
    generation = a_generation(ada)
    client.force_login(ada)
    for path in ("/", f"/generations/{generation.uuid}/"):
        text = client.get(path).content.decode()
        assert (f"Waiting: {words}" in text) if words else "waiting for its turn" in text
    assert bool(Pool.current().wait) != ApiToken.objects.with_room().exists(), "both must tell the same"


def test_an_admin_sees_instructions_instead_of_ask_an_admin(client):
    a_token(health="used_up")
    generation = a_generation(a_member("ada"))
    client.force_login(an_admin())
    for path in ("/", f"/generations/{generation.uuid}/"):
        text = client.get(path).content.decode()
        assert "Waiting: the balance of every API token is used up. Top it up, then mark the token as healthy" in text
        assert "Ask an admin" not in text


def test_the_reason_is_queried_once_for_all_cards(client, django_assert_max_num_queries):
    a_token(health="used_up")
    ada = a_member("ada")
    for _ in range(40):
        a_generation(ada)
    client.force_login(ada)
    client.get("/")  # which records her visit
    with django_assert_max_num_queries(11):
        client.get("/")


def test_an_open_page_learns_that_the_reason_changed(client, stub):
    token = a_token(base_url=stub.url, health="used_up")
    ada = a_member("ada")
    generation = a_generation(ada)
    client.force_login(ada)
    assert 'data-waits="used_up"' in client.get("/").content.decode()
    ask = {"since": timezone.now().timestamp(), "newest": generation.pk, "waits": "used_up"}
    ask["known"] = f"{generation.pk}:{generation.version}"
    assert client.get("/live/", ask).status_code == 204
    token.reenable()
    text = client.get("/live/", ask).content.decode()
    assert "waiting for its turn" in text
    assert 'data-waits=""' in text


def test_a_page_without_queued_videos_queries_no_tokens(client):
    a_token(health="used_up")
    client.force_login(a_member("ada"))
    assert "data-waits" not in client.get("/").content.decode()


def test_only_admins_see_a_banner_when_tokens_need_attention(client):
    for name in ("one", "two", "three"):
        ApiToken.objects.filter(pk=a_token(f"sandbox-{name}", health="used_up").pk).update(name=name)
    client.force_login(a_member("ada"))
    assert "Open API tokens" not in client.get("/").content.decode()
    client.force_login(an_admin())
    text = client.get("/").content.decode()
    assert text.count("Open API tokens") == 1
    assert "“one” is used up." in text
    assert "1 more needs you too." in text
    ApiToken.objects.update(health="ok")
    assert "Open API tokens" not in client.get("/").content.decode()
