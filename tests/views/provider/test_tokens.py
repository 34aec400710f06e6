"""The pool of API tokens on the provider page."""

from datetime import UTC, datetime

import pytest

from videos.models import ApiToken, AuditEntry, Generation

from ...support.audit import trail
from ...support.factories import a_generation, a_token
from ...support.provider_page import error, text_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_token_s_figures_and_health_are_in_words(client, admin, luma):
    token = a_token("a-secret-that-ends-9876", base_url=luma.url, max_in_flight=5, daily_limit=8000)
    a_generation(admin).claim()
    page = text_of(client.get("/provider/"))
    assert "…9876" in page and "Working" in page and "<b>1</b> of 5" in page and "<b>1</b> of 8" in page
    assert "<b>1</b> video, 1 credit" in page
    token.disable("used_up", "The balance behind the token is spent. (used_up: top up)")
    page = text_of(client.get("/provider/"))
    assert "Used up" in page and "Top it up" in page and "Last error: The balance behind the token is spent." in page
    assert "is used up. New videos wait until one is fixed." in page
    client.post(f"/provider/tokens/{token.pk}/check/")
    assert "Working" in text_of(client.get("/provider/"))


def test_a_token_is_paused_and_resumed(client, admin, luma):
    token = a_token(base_url=luma.url)
    for enabled in ("0", "0", "1", "1"):
        client.post(f"/provider/tokens/{token.pk}/activity/", {"enabled": enabled})
    assert trail(token) == ["paused.", "resumed."]
    assert {change.by for change in token.changes.all()} == {admin}


def test_the_page_says_who_stopped_a_token_and_when(client, admin, luma):
    paused, disabled = a_token(base_url=luma.url), a_token("another", base_url=luma.url)
    page = text_of(client.get("/provider/"))
    assert "<small>by " not in page and "<small>automatically" not in page
    paused.set_enabled(False, admin)
    disabled.disable("used_up", "The balance is spent.")
    AuditEntry.objects.filter(token=paused).update(at=datetime(2026, 11, 3, 9, 5, tzinfo=UTC))
    page = text_of(client.get("/provider/"))
    assert (
        f"<small>by {admin.username}, <time" in page
        and "3 Nov, 09:05" in page
        and "<small>automatically, <time" in page
    )
    disabled.reenable(admin)
    assert "<small>automatically" not in text_of(client.get("/provider/"))


def test_a_token_of_another_provider_is_used_again_only_after_a_test(client, admin, old, stub):
    luma = a_token("the-other", base_url=stub.url, enabled=False)
    waits = a_generation(admin)
    stub.answer = lambda path, body: (401, error("invalid_token"))
    answer = client.post(f"/provider/tokens/{luma.pk}/activity/", {"enabled": "1"}, follow=True)
    assert "Nothing was changed." in text_of(answer)
    assert ApiToken.objects.get(enabled=True) == old
    stub.answer = lambda path, body: (200, {})
    client.post(f"/provider/tokens/{luma.pk}/activity/", {"enabled": "1"})
    assert ApiToken.objects.get(enabled=True) == luma
    waits.refresh_from_db()
    assert waits.held_at and waits.claim() is None


def test_a_token_of_another_provider_is_tested_also_while_every_token_is_paused(client, admin, old, stub):
    luma = a_token("the-other", base_url=stub.url, enabled=False)
    waits = a_generation(admin)
    old.set_enabled(False)
    stub.answer = lambda path, body: (401, error("invalid_token"))
    answer = client.post(f"/provider/tokens/{luma.pk}/activity/", {"enabled": "1"}, follow=True)
    assert "Nothing was changed." in text_of(answer)
    assert not ApiToken.objects.filter(enabled=True).exists()
    stub.answer = lambda path, body: (200, {})
    client.post(f"/provider/tokens/{luma.pk}/activity/", {"enabled": "1"})
    assert ApiToken.objects.get(enabled=True) == luma
    waits.refresh_from_db()
    assert waits.held_at


def test_a_new_secret_is_tested_before_it_replaces_the_old_one(client, admin, stub):
    token = a_token("the-first-secret-1111", base_url=stub.url)
    row = a_generation(admin)
    row.claim()
    url = f"/provider/tokens/{token.pk}/secret/"
    stub.answer = lambda path, body: (401, error("invalid_token"))
    response = client.post(url, {"token": "the-second-secret-2222"})
    page = text_of(response)
    assert response.status_code == 422 and "Nothing was replaced." in page and "second-secret" not in page
    token.refresh_from_db()
    assert token.secret == "the-first-secret-1111"
    stub.answer = lambda path, body: (200, {})
    client.post(url, {"token": "Bearer the-second-secret-2222"})
    token.refresh_from_db()
    row.refresh_from_db()
    assert token.secret == "the-second-secret-2222" and row.token == token
    assert trail(token) == ["secret replaced; the new one ends with 2222."]


def test_limits_are_changed_and_audited(client, admin, luma):
    token = a_token(base_url=luma.url, max_in_flight=5)
    url, name = f"/provider/tokens/{token.pk}/settings/", f"t{token.pk}-"
    fields = {f"{name}name": "Studio", f"{name}max_in_flight": "8", f"{name}daily_limit": "2.5", f"{name}priority": "1"}
    assert client.post(url, fields).status_code == 302
    token.refresh_from_db()
    assert (token.name, token.max_in_flight, token.daily_limit, token.priority) == ("Studio", 8, 2500, 1)
    assert len(trail(token)) == 4
    response = client.post(url, fields | {f"{name}max_in_flight": "many"})
    assert response.status_code == 422 and "Enter a whole number." in text_of(response)
    assert 'value="many"' in text_of(response)


def test_only_a_paused_token_without_videos_is_removed(client, admin, luma):
    used, unused = a_token(base_url=luma.url), a_token("unused", base_url=luma.url, enabled=False)
    a_generation(admin).claim()
    for token in (used, unused):
        client.post(f"/provider/tokens/{token.pk}/removal/")
    assert list(ApiToken.objects.all()) == [used]
    assert AuditEntry.objects.filter(text=f"API token “test”: deleted, it was for {luma.url}.", by=admin).exists()


def test_a_token_that_is_used_just_before_it_is_removed_stays(client, admin, luma, monkeypatch):
    token, row = a_token(base_url=luma.url, enabled=False), a_generation(admin)
    note = ApiToken.note

    def adopt_meanwhile(self, by, what) -> None:
        note(self, by, what)
        Generation.objects.filter(pk=row.pk).update(token=token)

    monkeypatch.setattr(ApiToken, "note", adopt_meanwhile)
    answer = client.post(f"/provider/tokens/{token.pk}/removal/", follow=True)
    assert "has videos or is in use, so it stays." in text_of(answer)
    assert ApiToken.objects.get() == token and trail(token) == []
