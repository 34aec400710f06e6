"""The list of API tokens: health, pausing, and the check of a token."""

import pytest
from django.utils import timezone

from videos.models import ApiToken
from videos.models.circuit import clock_time

from ..support.factories import a_member, a_token, an_admin

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_list_of_tokens_shows_health_load_and_the_last_error(client, stub):
    until = timezone.now() + timezone.timedelta(minutes=5)
    a_token(base_url=stub.url, health="limited", limited_until=until, in_flight=3, last_error="Slow down")
    client.force_login(an_admin())
    text = client.get("/admin/videos/apitoken/").content.decode()
    for words in (f"Backs off until {clock_time(until, timezone.now())}", "3 of 100", "Slow down"):
        assert words in text


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("pause", {"enabled": True}, {"enabled": False}),
        ("resume", {"enabled": False}, {"enabled": True}),
        ("healthy_again", {"health": "invalid"}, {"health": "ok", "last_error": ""}),
    ],
)
def test_tokens_are_paused_resumed_and_marked(client, token, action, before, after):
    ApiToken.objects.update(**before)
    client.force_login(an_admin())
    client.post("/admin/videos/apitoken/", {"action": action, "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert {name: getattr(token, name) for name in after} == after


@pytest.mark.parametrize("health", ["ok", "invalid", "used_up"])
@pytest.mark.parametrize(
    ("answer", "words", "mends"),
    [
        ((404, {"error": {"code": "not_found", "message": "no such task"}}), "The provider accepts it", True),
        ((200, {}), "The provider accepts it", True),
        ((401, {"error": {"code": "invalid_token", "message": "no"}}), "The provider refuses it", False),
        ((502, {}), "brought no answer about the token", False),
    ],
)
def test_a_token_check_shows_the_provider_s_answer(client, stub, token, health, answer, words, mends):
    ApiToken.objects.update(health=health)
    stub.answer = lambda path, body: answer if path == "/luma/tasks" else (500, {})
    client.force_login(an_admin())
    text = client.post(f"/admin/videos/apitoken/{token.pk}/test/", follow=True).content.decode()
    token.refresh_from_db()
    assert words in text
    assert token.health == ("ok" if mends else "invalid" if answer[0] == 401 else health)
    assert ("Only a video can show whether there is credit left" in text) == mends
    assert [post["action"] for post in stub.posts] == ["retrieve"]


def test_a_token_check_is_for_admins_and_changes_nothing_without_an_answer(client, token):
    ApiToken.objects.update(base_url="http://127.0.0.1:9", health="invalid")
    client.force_login(a_member("ada"))
    assert client.post(f"/admin/videos/apitoken/{token.pk}/test/").status_code == 302
    client.force_login(an_admin())
    assert client.get(f"/admin/videos/apitoken/{token.pk}/test/").status_code == 403
    text = client.post(f"/admin/videos/apitoken/{token.pk}/test/", follow=True).content.decode()
    assert "brought no answer about the token" in text
    assert ApiToken.objects.get().health == "invalid"
