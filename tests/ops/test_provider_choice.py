"""A start keeps the provider that an admin chose, and runs the sandbox as long as it is needed."""

import pytest

from lumaweb.ops.provider_choice import SANDBOX_TOKEN, choose_provider, has_real_provider, needs_sandbox
from videos.jobs.connecting import connect, switch
from videos.models import ApiToken, Generation
from videos.models.state import Archive

from ..support.factories import a_generation, a_result, an_admin, running

pytestmark = pytest.mark.django_db(transaction=True)
LUMA = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_environment(settings):
    settings.FIRST_TOKEN, settings.LUMA_BASE_URL_GIVEN = "", False


def connected() -> ApiToken:
    """Start with the sandbox, and connect a provider through its page."""
    assert choose_provider() and needs_sandbox()
    return connect(an_admin(), LUMA, "the-secret-of-luma", "Luma").token


def enabled() -> list[str]:
    return list(ApiToken.objects.filter(enabled=True).values_list("base_url", flat=True))


def test_a_connection_survives_a_start_and_the_sandbox_ends():
    connected()
    for _ in range(2):
        assert choose_provider() is False
        assert enabled() == [LUMA] and not needs_sandbox()


def test_a_paused_provider_is_not_replaced_by_the_sandbox(settings):
    token = connected()
    token.set_enabled(False)
    assert has_real_provider() and choose_provider() is False
    assert enabled() == []
    assert needs_sandbox()  # so that an admin can return to it


def test_an_admin_s_return_to_the_sandbox_survives_a_start(settings):
    connected()
    sandbox = ApiToken.objects.get(base_url=settings.SANDBOX_URL)
    switch(an_admin("grace"), sandbox)
    assert choose_provider() and enabled() == [settings.SANDBOX_URL] and needs_sandbox()


STAGES = {
    "being made": (lambda row: row.record(running(), "answer"), True),
    "unconfirmed": (lambda row: row.mark_interrupted(), True),
    "to be saved": (lambda row: row.record(a_result(), "answer"), True),
    "dismissed": (lambda row: (row.mark_interrupted(), row.dismiss(row.member)), False),
    "saved": (lambda row: Generation.objects.update(state="completed", archive=Archive.SAVED), False),
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_sandbox_runs_until_its_videos_are_here(stage):
    reach, needed = STAGES[stage]
    choose_provider()
    ApiToken.objects.update(last_used_at=None)
    row = a_generation()
    assert row.claim().token.secret == SANDBOX_TOKEN
    reach(row)
    connect(an_admin(), LUMA, "the-secret-of-luma", "Luma")
    assert needs_sandbox() is needed
    assert choose_provider() is False and enabled() == [LUMA]
