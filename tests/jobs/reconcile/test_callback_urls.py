"""Tasks recognised by the callback URL of their claim."""

import uuid

import pytest

from videos import provider
from videos.models import Event, FoundTask, Generation

from ...support.factories import a_generation, an_error
from ...support.provider_listing import a_video, callback, in_doubt, search

pytestmark = pytest.mark.django_db(transaction=True)


def claimed_with_callback(settings, stub, **extra) -> tuple[Generation, str]:
    """Return an unconfirmed video and the callback URL of its claim."""
    settings.PUBLIC_URL = "https://films.example.com"
    generation = a_generation(**extra)
    claim = generation.claim()
    generation.refuse(an_error("no_answer", provider.Sent.MAYBE))
    generation.refresh_from_db()
    return generation, claim.callback_url


def test_the_callback_url_of_the_claim_decides_alone(listing, stub, settings):
    """The request looks different, the time is wrong, and an equal task exists."""
    generation, address = claimed_with_callback(settings, stub)
    mine = listing.add(generation, after=400, request={"callback_url": address, "prompt": "rewritten"})
    listing.add(generation, after=2)
    search(generation)
    assert generation.task_id == mine


def test_the_callback_url_is_stored_nowhere_and_logged_nowhere(listing, stub, settings, caplog):
    caplog.set_level("DEBUG")
    generation, address = claimed_with_callback(settings, stub)
    key = address.rstrip("/").rpartition("/")[2]
    listing.add(generation, request={"callback_url": address})
    listing.add(generation, request={"callback_url": callback(generation, "another-key")})
    search(generation)
    second = in_doubt()
    listing.add(second, request={"callback_url": callback(second, "another-key")})
    search(second)
    rows = [*Generation.objects.values(), *Event.objects.values(), *FoundTask.objects.values()]
    for secret in (key, "another-key"):
        assert secret not in str(rows)
        assert secret not in caplog.text


def test_of_two_tasks_with_one_callback_url_the_better_is_taken(listing, stub, settings):
    generation, address = claimed_with_callback(settings, stub)
    failed = {"success": False, "error": {"code": "api_error", "message": "oh"}}
    listing.add(generation, after=1, request={"callback_url": address}, response=failed)
    good = listing.add(generation, after=5, request={"callback_url": address}, response=a_video())
    search(generation)
    assert (generation.state, generation.task_id) == ("completed", good)


def test_a_callback_url_with_another_key_is_only_offered(listing, stub, settings):
    generation, _ = claimed_with_callback(settings, stub)
    listing.add(generation, request={"callback_url": callback(generation, "of-an-earlier-claim")})
    search(generation)
    assert (generation.task_id, len(generation.offers)) == ("", 1)


@pytest.mark.parametrize("whose", ["another program", "another installation", "another video"])
def test_somebody_else_s_callback_url_makes_it_somebody_else_s(listing, stub, settings, whose):
    generation, _ = claimed_with_callback(settings, stub)
    address = {
        "another program": lambda: "https://elsewhere.example.com/hook",
        "another installation": lambda: f"https://a.example.com/callbacks/luma/{uuid.uuid4()}/{'k' * 43}/",
        "another video": lambda: callback(a_generation(prompt="other"), "key"),
    }[whose]()
    listing.add(generation, request={"callback_url": address})
    search(generation)
    assert (generation.task_id, generation.search_outcome, generation.offers) == ("", "not_found", [])


def test_a_dismissed_video_gets_its_task_by_the_callback_url(listing, stub, settings):
    dismissed, address = claimed_with_callback(settings, stub, prompt="dismissed")
    dismissed.dismiss(dismissed.member)
    listing.add(dismissed, request={"callback_url": address}, response=a_video())
    search(in_doubt(prompt="another"))
    dismissed.refresh_from_db()
    assert dismissed.state == "completed"
