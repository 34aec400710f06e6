"""Videos that wait while a provider is connected: canceled, held or sent."""

import pytest

from videos.jobs.connecting import Waiting, decide_held, switch
from videos.models import ApiToken, Generation, HoldReason

from ...support.budgets import balance, terms
from ...support.factories import a_generation, a_member, a_result, a_token
from ...support.ledger import sums_are_those_of_the_rows
from ...support.provider_page import OLD, connect, everything, text_of

pytestmark = pytest.mark.django_db(transaction=True)


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
    assert "2 held videos, not sent" in page and "charged twice" not in page and "Send for 4 credits" in page
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


def test_canceling_a_restore_s_held_videos_does_not_claim_that_nothing_was_charged(client, admin, luma):
    a_token(base_url=luma.url)
    a_generation(admin)
    Generation.objects.hold_after_restore()
    page = text_of(client.post("/provider/held/", {"group": "restored", "choice": "cancel"}, follow=True))
    assert "1 video canceled." in page and "Nothing was charged." not in page


def test_a_restore_s_held_videos_carry_their_warning_also_after_a_change_of_the_provider(client, admin, old, luma):
    row = a_generation(admin)
    Generation.objects.hold_after_restore()
    connect(client, luma.url, waiting="keep")
    page = text_of(client.get("/provider/"))
    assert "1 video held since a restore" in page and "may be charged twice" in page and ", not sent" not in page
    client.post("/provider/held/", {"choice": "send"})
    row.refresh_from_db()
    assert row.held_at and row.hold_reason == "restore"
    client.post("/provider/held/", {"group": "restored", "choice": "send"})
    row.refresh_from_db()
    assert (row.held_at, row.hold_reason, row.provider_base_url) == (None, "", luma.url)


def test_a_restore_of_held_videos_adds_the_warning(client, admin, old, luma):
    row = a_generation(admin)
    connect(client, luma.url, waiting="keep")
    row.refresh_from_db()
    assert row.hold_reason == "provider"
    Generation.objects.hold_after_restore()
    page = text_of(client.get("/provider/"))
    assert "1 video held since a restore" in page and ", not sent" not in page


def test_videos_held_without_a_reason_carry_the_warning(client, admin, old, luma):
    row = a_generation(admin)
    Generation.objects.hold(HoldReason.PROVIDER)
    Generation.objects.update(hold_reason="")  # as rows of an earlier version are
    connect(client, luma.url, waiting="keep")
    assert "may be charged twice" in text_of(client.get("/provider/"))
    client.post("/provider/held/", {"choice": "send"})
    row.refresh_from_db()
    assert row.held_at


def test_kept_videos_were_not_sent_also_when_their_provider_is_used_again(client, admin, old, luma):
    row = a_generation(admin)
    connect(client, luma.url, waiting="keep")
    switch(admin, old)
    page = text_of(client.get("/provider/"))
    assert "1 held video, not sent" in page and "charged twice" not in page
    client.post("/provider/held/", {"choice": "send"})
    assert row.claim().token == old


def test_a_video_that_no_token_may_send_is_held_by_its_claim(admin, old, luma):
    row = a_generation(admin)
    a_token(base_url=luma.url)
    old.set_enabled(False)
    assert row.claim() is None
    row.refresh_from_db()
    assert row.held_at and row.hold_reason == "provider"


@pytest.mark.parametrize(
    ("reason", "words"),
    {
        "restore": "restored from a backup",
        "provider": "the provider was changed",
        "media": "the media were moved",
        "": "or its provider was changed",
    }.items(),
)
def test_a_held_video_says_why(admin, old, reason, words):
    row = a_generation(admin)
    Generation.objects.hold(HoldReason(reason))
    row.refresh_from_db()
    assert words in row.explanation.text
    assert ("adopt" in row.explanation.for_admins) == (reason in ("restore", ""))


def test_held_videos_go_to_the_provider_that_is_current_once_no_other_change_runs(admin, old, luma, monkeypatch):
    row = a_generation(admin)
    Generation.objects.hold(HoldReason.PROVIDER)

    def change_the_provider_first() -> None:
        a_token(base_url=luma.url)
        ApiToken.objects.pause_other_providers(luma.url)

    monkeypatch.setattr("videos.jobs.connecting._one_at_a_time", change_the_provider_first)
    assert decide_held(admin, Waiting.SEND, since_restore=False) == 1
    row.refresh_from_db()
    assert row.provider_base_url == luma.url


def test_the_cost_of_what_waits_is_at_the_submitted_prices(client, admin, old, luma):
    a_generation(admin)
    a_generation(admin, action="extend", source_video_id="v-1")
    assert "About 2 credits at the saved costs; if you change" in text_of(client.get("/provider/"))
    prices = {"per_generate": "4", "per_extend": "3", "currency": "USD"}
    page = text_of(connect(client, luma.url, token="two words", waiting="send", **prices))
    assert "About 7 USD at the costs above." in page and "saved costs" not in page
    page = text_of(connect(client, luma.url, token="two words", **(prices | {"per_extend": "-1"})))
    assert "About 2 credits at the saved costs; if you change" in page


def test_a_choice_that_does_not_exist_is_named_also_when_nothing_waits(client, admin, old, luma):
    response = connect(client, luma.url, waiting="sell")
    assert response.status_code == 422 and "sell is not one of the available choices." in text_of(response)
    assert luma.posts == []
