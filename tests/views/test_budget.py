"""Costs and limits on pages and in forms."""

import uuid

import pytest

from videos.forms import PricingForm
from videos.models import AuditEntry, Generation, Pricing, Submission
from videos.models.amounts import shown

from ..support.budgets import ENDS, balance, claimed, terms
from ..support.factories import a_generation, a_member, a_token, an_admin, failure
from ..support.ledger import sums_are_those_of_the_rows

pytestmark = pytest.mark.django_db(transaction=True)


PAGE = {"form": "1", "mode": "text"}

# ── Over HTTP ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_form_shows_its_cost_and_the_remaining_credits(client):
    ada = a_member()
    client.force_login(ada)
    assert "1 credit<" in client.get("/").content.decode()
    terms(member_limit=5000, per_generate=1500, currency="USD")
    text = client.get("/").content.decode()
    assert "1.5 USD of 5 left" in text
    assert 'data-left="5000"' in text


def test_at_the_limit_nothing_is_created_and_the_form_keeps_its_fields(client):
    an_admin("grace")
    terms(member_limit=1000)
    ada = a_member()
    client.force_login(ada)
    several = PAGE | {"several": "1", "prompt": "A heron\nA fox"}
    answer = client.post("/generations/", several, headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "This takes 2 credits, and 1 of your 1 credit is left" in text and "grace can raise" in text
    assert "A heron\nA fox" in text
    assert not Generation.objects.exists() and not Submission.objects.exists()
    sums_are_those_of_the_rows()


@pytest.mark.parametrize(
    ("end", "words"), [("waiting", "1 credit, set aside"), ("canceled", "given back"), ("completed", "1 credit, spent")]
)
def test_a_video_s_page_shows_its_cost(client, end, words):
    a_token()
    row = a_generation()
    ENDS[end][0](row, row.member)
    client.force_login(row.member)
    assert words in client.get(f"/generations/{row.uuid}/").content.decode()


def test_a_retry_at_the_limit_is_refused_with_a_message(client):
    terms(member_limit=1000)
    row = claimed()
    row.record(failure(), "callback")
    a_generation(row.member)
    client.force_login(row.member)
    answer = client.post(f"/generations/{row.uuid}/retries/", follow=True)
    assert "can raise the limit" in answer.content.decode()
    assert Generation.objects.count() == 2


def test_retries_of_a_selection_stop_at_the_limit_with_a_message(client):
    terms(member_limit=2000)
    ada = a_member()
    rows = [a_generation(ada), a_generation(ada)]
    for row in rows:
        row.cancel(ada)
    a_generation(ada)
    client.force_login(ada)
    answer = client.post("/selection/retries/", {"v": [str(row.uuid) for row in rows]}, follow=True).content.decode()
    assert "Retried 1 video. The others were not retried:" in answer
    assert "can raise the limit" in answer
    assert [row.retries.count() for row in rows] == [1, 0]


def test_a_resubmitted_form_reserves_its_cost_once(client):
    client.force_login(a_member())
    form = PAGE | {"prompt": "A heron", "submission_key": str(uuid.uuid4())}
    client.post("/generations/", form)
    client.post("/generations/", form)
    assert balance() == (1000, 0)


def test_only_an_admin_sets_prices_and_limits(client):
    client.force_login(a_member())
    assert client.get("/team/budget/").status_code == 403
    assert client.post("/team/budget/", {"per_generate": "0"}).status_code == 403
    assert not Pricing.objects.exists()


def test_changes_of_prices_and_limits_are_audited(client):
    root = an_admin()
    client.force_login(root)
    sent = {"per_generate": "1.5", "per_extend": "1", "currency": "credits", "team_limit": "", "member_limit": "20"}
    assert client.post("/team/budget/", sent).status_code == 302
    now = Pricing.current()
    assert (now.per_generate, now.per_extend, now.team_limit, now.member_limit) == (1500, 1000, None, 20_000)
    assert {change.text for change in AuditEntry.objects.filter(by=root)} == {
        "Budget: a new video is now 1.5.",
        "Budget: each member is now 20.",
    }
    client.post("/team/budget/", sent)
    assert AuditEntry.objects.count() == 2, "nothing was changed the second time"


WRONG = {
    "empty": {"per_generate": ""},
    "negative": {"team_limit": "-1"},
    "no number": {"member_limit": "many"},
    "no end": {"per_extend": "1e400"},
    "not a number": {"per_generate": "NaN"},
    "too fine": {"per_generate": "0.0001"},
    "no word": {"currency": "  "},
    "unprintable": {"currency": "a\x00b"},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_invalid_amount_is_refused_with_a_message(client, wrong):
    client.force_login(an_admin())
    sent = {"per_generate": "2", "per_extend": "1", "currency": "credits", "team_limit": "7", "member_limit": "20"}
    answer = client.post("/team/budget/", sent | WRONG[wrong])
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not Pricing.objects.exists() and not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("typed", "stored"), [("1", 1000), ("0.5", 500), ("0.001", 1), ("1000000", 1_000_000_000), ("0", 0)]
)
def test_amounts_are_parsed_and_formatted_without_loss(typed, stored):
    form = PricingForm({"per_generate": typed, "per_extend": "1", "currency": "credits"})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["per_generate"] == stored
    assert shown(stored).replace(",", "") == typed
