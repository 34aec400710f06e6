"""Connecting a provider on its page: tests of the token, errors, prices."""

import re
import socket
import threading

import pytest

from videos.models import ApiToken, AuditEntry, Pricing

from ...support.audit import trail
from ...support.factories import a_generation, a_token
from ...support.installation import a_free_port
from ...support.ledger import sums_are_those_of_the_rows
from ...support.provider_page import SECRET, connect, error, everything, text_of

pytestmark = pytest.mark.django_db(transaction=True)


# ── Connecting ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_that_works_is_used_for_new_videos(client, admin, old, luma):
    answer = connect(client, luma.url, token=f'  "Bearer {SECRET}"\n')
    assert answer.status_code == 302 and answer.url == "/provider/?connected"
    token = ApiToken.objects.get(enabled=True)
    assert (token.name, token.secret, token.base_url, token.simulated) == ("Studio", SECRET, luma.url, False)
    assert trail(token) == [f"added for {luma.url}."] and token.changes.get().by == admin
    assert trail(old) == [f"paused, since new videos go to {luma.url}."]
    assert a_generation(admin).claim().token == token
    [look_up] = luma.posts
    assert look_up["action"] == "retrieve"
    page = text_of(client.get(answer.url))
    assert "Luma is connected" in page and "…7Q4f" in page and SECRET not in page


def test_without_a_name_and_an_address_the_settings_say_which_provider_it_is(client, admin, luma, settings):
    settings.LUMA_BASE_URL = luma.url
    assert client.post("/provider/tokens/", {"token": SECRET}).status_code == 302
    token = ApiToken.objects.get()
    assert (token.name, token.base_url, token.max_in_flight, token.daily_limit) == ("Luma", luma.url, 5, None)


REFUSALS = {
    "wrong": (401, error("invalid_token"), "does not accept this token", "token"),
    "expired": (401, error("token_expired"), "has expired", "token"),
    "of another service": (400, error("token_mismatched"), "for another service", "token"),
    "without a code": (401, {"detail": "no"}, "does not accept this token", "token"),
    "used up": (403, error("used_up"), "balance behind this token is used up", "token"),
    "no balance": (402, error("insufficient_balance"), "balance behind this token is used up", "token"),
    "not applied": (403, error("not_applied"), "not available to this account", "token"),
    "busy": (429, error("too_many_requests"), "accepts no more requests", "token"),
    "failing": (500, error("api_error"), "reports an internal error", "token"),
    "wrong address": (404, error("no_api"), "API was not found at this address", "base_url"),
    "another API": (404, {"detail": "Not Found"}, "API was not found at this address", "base_url"),
    "a page": (200, None, "A web page answered", "base_url"),
    "a page that is missing": (404, None, "A web page answered", "base_url"),
    "a gateway": (502, None, "reports an internal error", "token"),
    "redirected": (301, {}, "redirects", "base_url"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_token_that_fails_its_test_changes_nothing_and_the_page_says_why(client, old, stub, kind):
    status, document, words, field = REFUSALS[kind]
    stub.answer = lambda path, body: (status, document)
    a_generation()
    before = everything()
    response = connect(client, stub.url, per_generate="4", name="Client work", waiting="send")
    assert response.status_code == 422 and everything() == before
    page = text_of(response)
    assert words in page and SECRET not in page and "Client work" in page and stub.url in page
    assert ("Paste the token again" in page) == (field != "token"), "a field that is empty again says why"
    marked = re.search(r"<input[^>]*autofocus[^>]*>", page).group()
    assert f'name="{field}"' in marked and 'aria-invalid="true"' in marked
    assert 'value="4"' in page and re.search(r'value="send" checked', page)


def test_an_address_without_a_provider_changes_nothing_and_the_page_says_why(client, old, stub):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{a_free_port()}"
        for address, words in {
            closed: "Nothing listens at the provider&#x27;s address.",
            "https://luma.invalid": "cannot be resolved",
            stub.url.replace("http:", "https:"): "does not speak TLS",
        }.items():
            before = everything()
            response = connect(client, address)
            page = text_of(response)
            assert response.status_code == 422 and everything() == before and words in page
            assert SECRET not in page and '<details class="advanced" open>' in page


def test_a_provider_that_does_not_answer_in_time_changes_nothing(client, old, stub, monkeypatch):
    monkeypatch.setattr("videos.jobs.token_check.TEST_SECONDS", 0.2)
    stub.seconds = 1.0
    before = everything()
    assert "did not answer in time" in text_of(connect(client, stub.url)) and everything() == before


WRONG = {
    "no token": ({"token": ""}, "Enter the token."),
    "spaces": ({"token": "two words"}, "has a space in it"),
    "another token": ({"token": "platform-12345678"}, "a platform token"),
    "no address": ({"base_url": "ftp://x"}, "Enter the address"),
    "a price": ({"per_generate": "-1"}, "greater than or equal to 0"),
    "a limit": ({"max_in_flight": "0"}, "greater than or equal to 1"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_form_with_an_error_is_not_sent_to_the_provider(client, old, luma, wrong):
    fields, words = WRONG[wrong]
    before = everything()
    response = connect(client, luma.url, **({"per_generate": "1", "per_extend": "1", "currency": "credits"} | fields))
    assert response.status_code == 422 and words in text_of(response)
    assert luma.posts == [] and everything() == before and SECRET not in text_of(response)


def test_prices_and_limits_are_set_with_the_connection(client, admin, old, luma):
    connect(
        client,
        luma.url,
        per_generate="4",
        per_extend="3.5",
        currency="USD",
        team_limit="1000",
        member_limit="",
        max_in_flight="7",
    )
    pricing = Pricing.current()
    assert (pricing.per_generate, pricing.per_extend, pricing.currency) == (4000, 3500, "USD")
    assert (pricing.team_limit, pricing.member_limit) == (1_000_000, None)
    assert ApiToken.objects.get(enabled=True).max_in_flight == 7
    assert AuditEntry.objects.filter(text="Budget: a new video is now 4.", by=admin).exists()


def test_a_test_changes_nothing_and_says_that_the_token_works(client, old, luma):
    before = everything()
    fields = {"token": SECRET, "base_url": luma.url, "name": "Studio"}
    part = client.post("/provider/tokens/test/", fields, headers={"HX-Request": "true"})
    assert "The token works." in text_of(part) and "<html" not in text_of(part)
    page = text_of(client.post("/provider/tokens/test/", fields))
    assert "The token works." in page and "Paste the token again" in page and 'value="Studio"' in page
    assert SECRET not in page and everything() == before
    refused = client.post("/provider/tokens/test/", fields | {"token": "two words"}, headers={"HX-Request": "true"})
    assert "has a space" in text_of(refused)


def test_a_token_that_is_there_already_is_used_again_and_not_added_twice(client, admin, old, luma):
    connect(client, luma.url)
    token = ApiToken.objects.get(enabled=True)
    ApiToken.objects.filter(pk=token.pk).update(enabled=False, health="invalid", last_error="it was revoked")
    assert "known as “Studio”" in text_of(
        client.post("/provider/tokens/", {"token": SECRET, "base_url": luma.url}, follow=True)
    )
    token.refresh_from_db()
    assert (token.enabled, token.health) == (True, "ok") and ApiToken.objects.count() == 2


def test_a_second_token_of_the_provider_joins_the_pool(client, admin, luma):
    first = a_token(base_url=luma.url)
    waits = a_generation(admin)
    assert "“Studio” works and was added." in text_of(
        connect(client, luma.url, follow=True) and client.get("/provider/")
    )
    assert ApiToken.objects.filter(enabled=True).count() == 2
    waits.refresh_from_db()
    assert (waits.state, waits.held_at) == ("queued", None)
    assert first.changes.count() == 0


@pytest.mark.servers
def test_two_admins_who_connect_at_the_same_time_get_one_token(admin, old, luma, client):
    waits = a_generation(admin)
    luma.seconds = 0.5  # so that both tests overlap
    answers = []
    cookies = client.cookies

    def connect_too() -> None:
        other = type(client)()
        other.cookies = cookies
        answers.append(connect(other, luma.url).status_code)

    threads = [threading.Thread(target=connect_too) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [302, 302]
    assert ApiToken.objects.filter(base_url=luma.url).count() == 1
    assert trail(old) == [f"paused, since new videos go to {luma.url}."]
    waits.refresh_from_db()
    assert waits.state == "canceled" and waits.events.filter(kind="canceled").count() == 1
    sums_are_those_of_the_rows()


# ── The public address ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_says_what_works_without_a_public_address(client, admin, settings):
    settings.PUBLIC_URL = ""
    page = text_of(client.get("/provider/"))
    assert "No public address is set, and none is needed." in page and "LUMAWEB_PUBLIC_URL" in page
    assert client.post("/provider/address/").status_code == 200


def test_a_check_of_the_public_address_warns_and_calls_no_other_address(client, admin, old, stub, luma, settings):
    settings.PUBLIC_URL = stub.url
    fields = {"url": "http://127.0.0.1:1", "base_url": "http://127.0.0.1:1", "token": SECRET}
    page = text_of(client.post("/provider/address/", fields))
    assert "answers 404 (not from Lumaweb)" in page and "You can connect all the same" in page
    part = text_of(client.post("/provider/address/", fields, headers={"HX-Request": "true"}))
    assert "answers 404 (not from Lumaweb)" in part and "<html" not in part and "127.0.0.1:1" not in part
    assert connect(client, luma.url).status_code == 302
