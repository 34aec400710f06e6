"""The provider page: connect a provider, and the pool of API tokens."""

import re
import socket
import threading

import pytest
from django.utils import timezone

from videos.models import ApiToken, AuditEntry, Balance, Event, Generation, Pricing

from ..support.audit import trail
from ..support.budgets import balance, terms
from ..support.factories import a_generation, a_member, a_result, a_token
from ..support.installation import a_free_port
from ..support.ledger import sums_are_those_of_the_rows

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "the-secret-of-luma-7Q4f"
OLD = "http://127.0.0.1:8"


@pytest.fixture
def old(admin) -> ApiToken:
    """Return the token of the sandbox, which is the provider of new videos."""
    return a_token(base_url=OLD, last_used_at=timezone.now(), simulated=True)


@pytest.fixture
def luma(stub):
    """Return a provider that knows no task, as it answers the free look-up of a token that it accepts."""
    stub.answer = lambda path, body: (404, {"error": {"code": "task_not_found", "message": "no such task"}})
    return stub


def connect(client, url: str, **fields):
    return client.post("/provider/tokens/", {"name": "Studio", "token": SECRET, "base_url": url} | fields)


def everything() -> list:
    """Return all rows that a connection could change."""
    models = (ApiToken, AuditEntry, Event, Generation, Pricing, Balance)
    return [list(model.objects.order_by("pk").values()) for model in models]


def text_of(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


# ── Connecting ────────────────────────────────────────────────────────────────────────────────────────────────────


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


def error(code: str, message: str = "in the provider's words") -> dict:
    return {"error": {"code": code, "message": message}, "trace_id": "trace-1"}


REFUSALS = {
    "wrong": (401, error("invalid_token"), "does not accept this token", "token"),
    "expired": (401, error("token_expired"), "has expired", "token"),
    "of another service": (400, error("token_mismatched"), "for another service", "token"),
    "without a code": (401, {"detail": "no"}, "does not accept this token", "token"),
    "used up": (403, error("used_up"), "balance behind this token is used up", "token"),
    "no balance": (402, error("insufficient_balance"), "balance behind this token is used up", "token"),
    "not applied": (403, error("not_applied"), "not available to this account", "token"),
    "busy": (429, error("too_many_requests"), "accepts no more requests", "token"),
    "failing": (500, error("api_error"), "reports an error of its own", "token"),
    "wrong address": (404, error("no_api"), "API was not found at this address", "base_url"),
    "another API": (404, {"detail": "Not Found"}, "API was not found at this address", "base_url"),
    "a page": (200, None, "A web page answered", "base_url"),
    "a page that is missing": (404, None, "A web page answered", "base_url"),
    "a gateway": (502, None, "reports an error of its own", "token"),
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
    "another token": ({"token": "platform-12345678"}, "an account token"),
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
    assert "The token works." in page and "Paste it again" in page and 'value="Studio"' in page
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


# ── The public address ────────────────────────────────────────────────────────────────────────────────────────────


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


# ── What waits ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_waits_is_canceled_unless_the_admin_chooses_otherwise(client, admin, old, luma):
    waits = a_generation(admin)
    assert "1 video waiting to be made" in text_of(client.get("/provider/"))
    connect(client, luma.url)
    waits.refresh_from_db()
    assert waits.state == "canceled" and waits.events.last().member == admin
    assert balance() == balance(admin) == (0, 0)
    sums_are_those_of_the_rows()


def test_what_waits_can_be_kept_and_decided_later(client, admin, old, luma):
    terms(per_generate=2000)
    one, two = a_generation(admin), a_generation(admin, prompt="Another")
    connect(client, luma.url, waiting="keep")
    for row in (one, two):
        row.refresh_from_db()
        assert row.state == "queued" and row.held_at and row.claim() is None
    page = text_of(client.get("/provider/"))
    assert "2 held videos of another provider" in page and "Send for 4 credits" in page
    client.post("/provider/held/", {"choice": "send"})
    assert one.claim().token.base_url == luma.url
    two.refresh_from_db()
    assert (two.held_at, two.provider_base_url) == (None, luma.url)
    sums_are_those_of_the_rows()


def test_held_videos_can_be_canceled(client, admin, old, luma):
    row = a_generation(admin)
    connect(client, luma.url, waiting="keep")
    assert "1 video canceled. Nothing was charged." in text_of(
        client.post("/provider/held/", {"choice": "cancel"}, follow=True)
    )
    row.refresh_from_db()
    assert row.state == "canceled" and balance() == (0, 0)


def test_what_waits_is_sent_at_the_new_prices_only_if_the_admin_says_so(client, admin, old, luma):
    new, longer = a_generation(admin), a_generation(a_member("ben"), action="extend", source_video_id="v-1")
    connect(client, luma.url, waiting="send", per_generate="4", per_extend="3", currency="credits")
    for row, amount in ((new, 4000), (longer, 3000)):
        row.refresh_from_db()
        assert (row.state, row.amount, row.provider_base_url) == ("queued", amount, luma.url)
        assert row.events.last().kind == "released"
    assert balance() == (7000, 0) and balance(admin) == (4000, 0)
    assert new.claim().token.base_url == luma.url
    sums_are_those_of_the_rows()


def test_what_waits_is_not_sent_without_enough_budget_and_nothing_changes(client, admin, old, luma):
    a_generation(admin)
    before = everything()
    prices = {"per_generate": "4", "per_extend": "4", "currency": "credits", "team_limit": "3"}
    response = connect(client, luma.url, waiting="send", **prices)
    page = text_of(response)
    assert response.status_code == 422 and "Nothing was changed. This takes 4 credits" in page
    assert everything() == before and not ApiToken.objects.filter(base_url=luma.url).exists()


def test_videos_that_were_sent_stay_with_their_provider(client, admin, old, luma):
    made, doubtful, waits = (a_generation(admin, prompt=prompt) for prompt in ("made", "doubtful", "waits"))
    made.claim()
    doubtful.claim()
    doubtful.mark_interrupted()
    connect(client, luma.url, waiting="send")
    for row, state in ((made, "submitting"), (doubtful, "unconfirmed")):
        row.refresh_from_db()
        assert (row.state, row.token, row.provider_base_url) == (state, old, OLD)
    assert made.record(a_result(), "answer")
    made.refresh_from_db()
    assert made.state == "completed"
    waits.refresh_from_db()
    assert waits.provider_base_url == luma.url


def test_videos_held_since_a_restore_are_never_sent_by_a_connection(client, admin, old, luma):
    row = a_generation(admin)
    Generation.objects.hold_after_restore()
    connect(client, luma.url, waiting="send")
    row.refresh_from_db()
    assert row.held_at and row.provider_base_url == OLD


def test_a_restore_s_held_videos_are_released_by_choice(client, admin, luma):
    a_token(base_url=luma.url)
    row = a_generation(admin)
    Generation.objects.hold_after_restore()
    page = text_of(client.get("/provider/"))
    assert "1 video held since a restore" in page and "may be charged twice" in page
    client.post("/provider/held/", {"group": "restored", "choice": "send"})
    assert row.claim()


# ── The pool ──────────────────────────────────────────────────────────────────────────────────────────────────────


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
