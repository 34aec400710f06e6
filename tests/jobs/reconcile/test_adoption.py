"""Tasks that are adopted automatically, offered, or neither."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from videos import provider
from videos.jobs import polling, reconcile, submit
from videos.models import FoundTask, Generation

from ...support.factories import a_generation, a_result, a_token, an_error, running
from ...support.provider_listing import a_video, in_doubt, search

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_only_task_with_the_request_is_adopted(listing, token):
    generation = in_doubt()
    task_id = listing.add(generation)
    search(generation)
    token.refresh_from_db()
    assert (generation.state, generation.task_id, token.in_flight) == ("processing", task_id, 1)
    assert [event.kind for event in generation.events.all()][-2:] == ["found", "accepted"]
    assert not FoundTask.objects.exists()


def test_a_finished_task_brings_its_video_at_once(listing):
    generation = in_doubt()
    listing.add(generation, response=a_video(), finished_at=1.0)
    search(generation)
    assert (generation.state, generation.archive, generation.result_channel) == ("completed", "remote", "sweep")


def test_a_failed_task_fails_the_video_with_a_message(listing):
    generation = in_doubt()
    listing.add(generation, response={"success": False, "error": {"code": "api_error", "message": "oh"}})
    search(generation)
    assert generation.state == "failed"


def test_a_video_whose_connection_was_cut_is_found_by_the_ticker(stub, token, listing):
    """The POST is accepted and its answer lost; nobody has to act."""
    answer = listing.answer

    def take_and_cut(path, body):
        if path == "/luma/videos":
            listing.tasks.append({"id": str(uuid.uuid4()), "created_at": timezone.now().timestamp(), "request": body})
            return 502, {}
        return answer(path, body)

    stub.answer = take_and_cut
    generation = a_generation()
    submit.drain()
    generation.refresh_from_db()
    assert generation.state == "unconfirmed"
    reconcile.reconcile()
    generation.refresh_from_db()
    assert (generation.state, generation.task_id) == ("processing", listing.tasks[0]["id"])
    listing.tasks[0] |= {"response": a_video(), "finished_at": timezone.now().timestamp()}
    Generation.objects.update(next_poll_at=timezone.now())
    polling.poll()
    generation.refresh_from_db()
    assert generation.state == "completed"
    assert sum("prompt" in post for post in stub.posts) == 1, "found, and not sent again"


@pytest.mark.parametrize(
    ("after", "adopted"),
    [(-61, False), (-59, True), (0, True), (599, True), (601, False), (-3600, False), (7200, False)],
)
def test_the_search_covers_a_minute_before_to_ten_minutes_after_the_claim(listing, after, adopted):
    generation = in_doubt(minutes=180)
    listing.add(generation, after=after)
    search(generation)
    assert bool(generation.task_id) == adopted
    if not adopted:
        assert [offer.task_id for offer in generation.offers] == [listing.tasks[0]["id"]], "offered all the same"


@pytest.mark.parametrize(
    "difference",
    [
        {"prompt": "another"}, {"aspect_ratio": "9:16"}, {"enhancement": False}, {"loop": True}, {"timeout": 60},
        {"action": "extend", "video_id": "v"}, {"start_image_url": "https://example.com/a.jpg"},
        {"end_image_url": "https://example.com/a.jpg"},
    ],
)  # fmt: skip
def test_a_different_request_is_never_adopted_automatically(listing, difference):
    generation = in_doubt()
    listing.add(generation, request=difference)
    search(generation)
    assert (generation.state, generation.task_id) == ("unconfirmed", "")


@pytest.mark.parametrize(
    "echo",
    [
        {"callback_url": None, "video_id": None, "start_image_url": None},
        {"enhancement": None},
        {"unknown": "field", "async": False},
        {"prompt": "  Astronauts shuttle from space to volcano \n"},
    ],
)
def test_nulls_and_unknown_fields_do_not_make_a_different_request(listing, echo):
    generation = in_doubt()
    listing.add(generation, request=echo)
    search(generation)
    assert generation.task_id


def test_two_tasks_with_the_request_are_offered(listing):
    generation = in_doubt()
    first, second = listing.add(generation, after=3), listing.add(generation, after=60)
    search(generation)
    assert generation.state == "unconfirmed"
    assert [offer.task_id for offer in generation.offers] == [first, second]


def test_two_videos_in_doubt_with_one_task_are_both_offered_it(listing):
    first, second = in_doubt(), in_doubt()
    task_id = listing.add(first)
    search(first, second)
    for generation in (first, second):
        assert generation.state == "unconfirmed"
        assert [offer.task_id for offer in generation.offers] == [task_id]


def test_takes_with_as_many_tasks_are_offered_and_the_last_is_adopted_automatically(listing):
    in_doubt(takes=1)
    first, second = Generation.objects.get(), in_doubt()
    tasks = [listing.add(first, after=1), listing.add(first, after=2)]
    search(first, second)
    assert (first.task_id, second.task_id) == ("", "")
    assert first.assign_task(tasks[0], "chosen")
    search(second)
    assert second.task_id == tasks[1]


@pytest.mark.parametrize("rival", ["submitting", "dismissed", "held", "another token"])
def test_a_task_that_may_belong_to_another_program_is_not_adopted(listing, token, stub, rival):
    generation = in_doubt()
    if rival == "another token":
        other = a_token("sandbox-second", base_url=stub.url)
        Generation.objects.filter(pk=in_doubt().pk).update(token=other)
    elif rival == "held":
        a_generation()
        Generation.objects.hold_after_restore()
        Generation.objects.exclude(pk=generation.pk).update(created_at=timezone.now() - timedelta(hours=1))
    else:
        second = a_generation()
        second.claim()
        if rival == "dismissed":
            second.refuse(an_error("no_answer", provider.Sent.MAYBE))
            second.dismiss(second.member)
    listing.add(generation)
    search(generation)
    assert (generation.state, generation.task_id) == ("unconfirmed", "")
    assert len(generation.offers) == 1


def test_a_video_that_has_a_task_is_no_rival(listing):
    generation, other = in_doubt(), a_generation()
    other.claim()
    other.record(running("of-the-other"), "answer")
    other.refresh_from_db()
    listing.add(other, id="of-the-other")
    mine = listing.add(generation)
    search(generation)
    assert generation.task_id == mine


@pytest.mark.parametrize("elsewhere", ["another token of the provider", "the trash", "another case"])
def test_a_task_that_a_video_has_is_not_offered(listing, stub, token, elsewhere):
    other = a_generation()
    other.claim()
    task_id = str(uuid.uuid4())
    other.record(a_result(task_id), "answer")
    if elsewhere == "the trash":
        other.trash(other.member)
    if elsewhere == "another token of the provider":
        Generation.objects.update(token=a_token("sandbox-second", base_url=stub.url))
    generation = in_doubt()
    Generation.objects.filter(pk=generation.pk).update(token=token)
    generation.refresh_from_db()
    listing.add(generation, id=task_id.upper() if elsewhere == "another case" else task_id)
    search(generation)
    assert (generation.task_id, generation.search_outcome, generation.offers) == ("", "not_found", [])


def test_a_task_without_a_time_is_only_offered(listing):
    generation = in_doubt()
    listing.add(generation, created_at=None)
    search(generation)
    assert (generation.task_id, len(generation.offers)) == ("", 1)


def test_a_dated_task_beside_one_without_a_time_is_only_offered(listing):
    generation = in_doubt()
    listing.add(generation)
    listing.add(generation, created_at=None)
    search(generation)
    assert (generation.task_id, len(generation.offers)) == ("", 2)


def test_a_task_without_an_echo_is_offered_by_its_prompt(listing):
    generation = in_doubt()
    listing.add(generation, request={}, response=a_video(prompt=generation.prompt))
    listing.tasks[0].pop("request")
    search(generation)
    assert (generation.task_id, [offer.status for offer in generation.offers]) == ("", ["completed"])
