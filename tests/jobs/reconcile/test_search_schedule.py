"""When a search runs, what it costs, and when it ends."""

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from videos.jobs import reconcile
from videos.models import FoundTask, Generation
from videos.models.generation.task_search_queryset import SEARCH_STEPS

from ...support.factories import a_generation, a_result, a_token, running
from ...support.provider_listing import in_doubt, search

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_search_is_repeated_at_its_steps_and_ends(listing):
    generation = in_doubt()
    calls = 0
    for step in SEARCH_STEPS:
        age = timezone.now() - timedelta(seconds=step + 1)
        Generation.objects.update(submitted_at=age, next_poll_at=timezone.now())
        reconcile.reconcile()
        generation.refresh_from_db()
        calls += 1
        assert generation.search_outcome == "not_found"
        assert reconcile.reconcile() == 0, "not due again before the next step"
    assert generation.next_poll_at is None
    assert not generation.is_searched_for
    assert len(listing.calls) <= 4 * calls
    assert [event.kind for event in generation.events.all()].count("searched") == 1
    assert generation.events.last().kind == "search_ended"


def test_old_videos_are_not_searched_for(listing):
    generation = in_doubt(minutes=60 * 24 * 3)
    search(generation)
    assert (generation.next_poll_at, generation.search_outcome, listing.calls) == (None, "", [])


def test_one_listing_serves_all_videos_of_an_outage(listing):
    generations = [in_doubt(prompt=f"number {number}") for number in range(12)]
    tasks = [listing.add(generation) for generation in generations]
    search(*generations)
    assert [generation.task_id for generation in generations] == tasks
    assert len(listing.calls) <= 2


@pytest.mark.parametrize(
    "failure",
    [
        (404, {"error": {"code": "no_api", "message": "no such API"}}),
        (405, {}),
        (400, {"error": {"code": "bad_request", "message": "ids is required"}}),
        (200, {"surprise": True}),
    ],
)
def test_a_provider_without_a_listing_is_reported_and_rarely_asked(listing, failure):
    generation = in_doubt()
    listing.failure = failure
    search(generation)
    assert (generation.state, generation.search_outcome) == ("unconfirmed", "unavailable")
    assert generation.next_poll_at > timezone.now() + timedelta(minutes=59)
    listing.failure = None
    mine = listing.add(generation)
    search(generation)
    assert generation.task_id == mine, "should it come to have one, it is used"


@pytest.mark.parametrize("failure", [(500, {}), (429, {}), (401, {"error": {"code": "invalid_token", "message": ""}})])
def test_a_failing_provider_is_asked_again_soon(listing, failure):
    generation = in_doubt()
    listing.failure = failure
    search(generation)
    assert generation.search_outcome == ""
    assert timezone.now() < generation.next_poll_at < timezone.now() + timedelta(minutes=2)
    Generation.objects.update(submitted_at=timezone.now() - timedelta(seconds=SEARCH_STEPS[-1] + 60))
    search(generation)
    assert generation.next_poll_at is None
    assert generation.events.last().text == "The provider could not be asked."


def test_an_unreachable_provider_costs_one_update_for_any_number_of_searches(listing):
    for number in range(12):
        in_doubt(minutes=5 + 90 * (number % 2), prompt=f"number {number}")
    Generation.objects.update(next_poll_at=timezone.now())
    listing.failure = (503, {"error": {"code": "upstream_error", "message": "away"}})
    with CaptureQueriesContext(connection) as queries:
        reconcile.reconcile()
    updates = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "videos_generation"')]
    assert len([sql for sql in updates if "CASE" in sql]) == 1
    assert len(updates) == 2, "the other one ends late searches"
    assert not Generation.objects.filter(next_poll_at__lte=timezone.now()).exists()
    assert len(listing.calls) == 1, "the others would wait as long for nothing"


def test_a_hanging_listing_ends_within_the_search_s_deadline(stub, token, monkeypatch):
    in_doubt(minutes=5)
    Generation.objects.update(next_poll_at=timezone.now())
    monkeypatch.setattr(reconcile, "SEARCH_SECONDS", 0.3)
    stub.seconds = 5
    began = time.monotonic()
    reconcile.reconcile()
    assert time.monotonic() - began < 4
    assert Generation.objects.get().next_poll_at > timezone.now()


def test_an_unexpectedly_empty_listing_is_not_trusted(listing):
    """This provider treats missing ids as an empty list of ids."""
    other = a_generation(prompt="other")
    other.claim()
    other.record(running("known"), "answer")
    generation = in_doubt()
    search(generation)
    assert generation.search_outcome == "unavailable"
    listing.add(other, id="known")
    search(generation)
    assert generation.search_outcome == "not_found"


def test_tasks_of_a_provider_with_a_wrong_clock_are_offered(listing):
    other = a_generation(prompt="other")
    other.claim()
    other.record(running("known"), "answer")
    other.refresh_from_db()
    listing.add(other, id="known", after=8 * 3600)
    generation = in_doubt()
    mine = listing.add(generation, after=8 * 3600)
    search(generation)
    assert [offer.task_id for offer in generation.offers] == [mine]


def test_the_nearest_five_are_offered(listing):
    generation = in_doubt(minutes=200)
    tasks = [listing.add(generation, after=after) for after in (5000, 1000, 4000, -2000, 3000, -500, 9000)]
    search(generation)
    assert {offer.task_id for offer in generation.offers} == {tasks[number] for number in (5, 1, 3, 4, 2)}


def test_offers_end_once_the_video_is_confirmed(listing):
    generation = in_doubt()
    for after in (1, 2):
        listing.add(generation, after=after)
    search(generation)
    assert FoundTask.objects.count() == 2
    generation.record(a_result("by-callback"), "callback")
    reconcile.reconcile()
    assert not FoundTask.objects.exists()


def test_a_video_that_was_never_sent_is_not_searched_for(listing):
    generation = in_doubt()
    Generation.objects.update(token=None)
    search(generation)
    assert (generation.next_poll_at, listing.calls) == (None, [])


def test_one_unreachable_provider_does_not_delay_others(listing, token):
    silent = a_token("other", base_url="http://127.0.0.1:9")
    lost = in_doubt(prompt="lost")
    Generation.objects.filter(pk=lost.pk).update(token=silent)
    generation = in_doubt()
    mine = listing.add(generation)
    search(generation, lost)
    assert generation.task_id == mine
    assert lost.next_poll_at > timezone.now()
