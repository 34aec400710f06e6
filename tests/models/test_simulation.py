"""Simulated videos are marked by their token and cost nothing; they count towards limits like any other."""

import importlib
import uuid
from collections.abc import Iterator

import pytest
from django.apps import apps

from lumaweb.ops.provider_choice import choose_provider
from videos.models import Allowance, ApiToken, Balance, Generation, Member, OverBudget, Pool, RollUpMark, Submission
from videos.models.amounts import month_of
from videos.models.budget import Pricing, Usage
from videos.models.simulation import mark_as_simulated
from videos.reports.rollup_pass import roll_up

from ..support.budgets import ENDS, terms
from ..support.factories import a_generation, a_member, a_result, a_token, an_admin
from ..support.ledger import sums_are_those_of_the_rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sandbox() -> ApiToken:
    return a_token("sandbox", "http://127.0.0.1:8", simulated=True)


def finished(member: Member | None = None) -> Generation:
    row = a_generation(member)
    assert row.claim()
    row.record(a_result(f"task-{row.pk}"), "answer")
    return row


def connect() -> ApiToken:
    """Connect a real provider, as the admin's pages do."""
    token = a_token("a-real-one", "http://127.0.0.1:9")
    ApiToken.objects.pause_other_providers(token.base_url)
    return token


def of_the_team() -> Balance:
    return Balance.objects.of_the_team(month_of())


@pytest.mark.parametrize("end", ENDS)
def test_the_simulated_amount_follows_the_video(sandbox, end):
    row = a_generation()
    ENDS[end][0](row, row.member)
    assert (of_the_team().charged, of_the_team().simulated) == (0, ENDS[end][1][1])
    sums_are_those_of_the_rows()


def test_a_video_of_another_token_is_charged(sandbox):
    finished()
    connect()
    row = finished()
    assert not row.is_simulated and row.cost == "1 credit, spent"
    assert (of_the_team().charged, of_the_team().simulated) == (1000, 1000)
    sums_are_those_of_the_rows()


def test_videos_made_before_the_mark_are_simulated_too(sandbox):
    ApiToken.objects.update(simulated=False)
    ada, ben = a_member("ada"), a_member("ben")
    rows = [finished(ada), finished(ada), finished(ben)]
    while not roll_up():
        pass
    assert of_the_team().simulated == 0
    assert mark_as_simulated(ApiToken.objects.all())
    assert [Balance.objects.get(member=who).simulated for who in (None, ada, ben)] == [3000, 2000, 1000]
    assert RollUpMark.current().since is None
    assert all(Generation.objects.get(pk=row.pk).is_simulated for row in rows)
    sums_are_those_of_the_rows()
    assert not mark_as_simulated(ApiToken.objects.all())


@pytest.mark.parametrize("whose", ["team_limit", "member_limit"])
def test_limits_hold_for_simulated_videos_with_any_provider(sandbox, whose):
    terms(**{whose: 3000})
    ada = a_member()
    finished(ada), finished(ada), finished(ada)
    with pytest.raises(OverBudget):
        Submission.objects.open(ada, uuid.uuid4(), 1, prompt="One too many")
    assert Allowance.of(ada).left == 0
    connect()
    assert Allowance.of(ada).left == 0
    terms(**{whose: 4000})
    finished(ada)
    with pytest.raises(OverBudget, match="0 of"):
        Submission.objects.open(ada, uuid.uuid4(), 1, prompt="One too many")
    assert Allowance.of(ada).left == 0
    sums_are_those_of_the_rows()


def test_the_team_page_shows_what_counts_towards_the_limit(sandbox):
    ada = a_member()
    finished(ada)

    def used() -> str:
        return Usage.of(Member.objects.filter(pk=ada.pk), Pricing.current())[0].used

    assert used() == "0 credits, 1 simulated"
    terms(member_limit=5000)
    assert used() == "1 of 5 credits, 1 simulated"
    connect()
    finished(ada)
    assert used() == "2 of 5 credits, 1 simulated"


def test_new_videos_are_simulated_while_the_token_in_use_is_marked(sandbox):
    assert Pool.current().simulates and ApiToken.objects.simulate()
    real = connect()
    assert not Pool.current().simulates and not ApiToken.objects.simulate()
    # A pause of the real token does not make videos free.
    finished()
    real.set_enabled(False)
    assert not Pool.current().simulates and not ApiToken.objects.simulate()
    sandbox.set_enabled(True)
    assert Pool.current().simulates and ApiToken.objects.simulate()


def test_without_a_token_nothing_is_simulated():
    assert not Pool.current().simulates and not ApiToken.objects.simulate()


# ── Who is marked ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def no_provider(settings) -> Iterator[None]:
    settings.FIRST_TOKEN, settings.LUMA_BASE_URL_GIVEN = "", False
    yield


def test_a_start_marks_the_token_of_its_own_sandbox_only(no_provider, settings):
    assert choose_provider()
    other = a_token("sandbox-other", "http://127.0.0.1:9", enabled=False)
    assert choose_provider()
    assert ApiToken.objects.get(base_url=settings.SANDBOX_URL).simulated
    other.refresh_from_db()
    assert not other.simulated


def test_a_second_sandbox_that_an_admin_connects_is_real_whatever_its_name_and_address(no_provider, settings):
    choose_provider()
    second = a_token("sandbox-2", "http://127.0.0.1:9")
    ApiToken.objects.filter(pk=second.pk).update(name="Sandbox")
    ApiToken.objects.pause_other_providers(second.base_url)
    assert not choose_provider()
    second.refresh_from_db()
    assert second.enabled and not second.simulated
    assert not finished().is_simulated


def test_the_mark_follows_the_sandbox_to_another_port(no_provider, settings):
    choose_provider()
    settings.SANDBOX_URL = "http://127.0.0.1:7"
    assert choose_provider()
    assert ApiToken.objects.get(enabled=True).base_url == "http://127.0.0.1:7"
    assert all(ApiToken.objects.values_list("simulated", flat=True))


def test_the_upgrade_marks_the_tokens_that_earlier_versions_added():
    earlier, real = a_token("sandbox", "http://127.0.0.1:8801"), a_token("real", "https://api.acedata.cloud")
    ApiToken.objects.filter(pk=earlier.pk).update(name="Sandbox", enabled=False)
    Generation.objects.filter(pk=a_generation(an_admin()).pk).update(token=earlier, state="completed")
    Balance.objects.update(reserved=0, spent=1000)
    importlib.import_module("videos.migrations.0028_simulated_tokens").mark_earlier_sandboxes(apps, None)
    earlier.refresh_from_db(), real.refresh_from_db()
    assert (earlier.simulated, real.simulated) == (True, False)
    sums_are_those_of_the_rows()
