"""Search the provider's listing for unconfirmed videos, and adopt only unambiguous tasks."""

import time
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from videos import provider
from videos.jobs import polling, reconcile, submit
from videos.models import Event, FoundTask, Frame, Generation, TemporaryLink, UploadedFrame
from videos.models.generation.task_search_queryset import SEARCH_STEPS

from ..support.factories import a_generation, a_member, a_result, a_token, an_error, running
from ..support.provider_listing import Listing, a_video, callback, in_doubt, search

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token(stub, settings):
    settings.PUBLIC_URL = ""
    return a_token(base_url=stub.url)


@pytest.fixture
def listing(stub, token) -> Listing:
    return Listing(stub)


# ── One to one ────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── Callbacks ─────────────────────────────────────────────────────────────────────────────────────────────────


def claimed_with_callback(settings, stub, **extra) -> tuple[Generation, str]:
    """Return an unconfirmed video and the callback URL of its claim."""
    settings.PUBLIC_URL = "https://films.example.com"
    generation = a_generation(**extra)
    claim = generation.claim()
    generation.refuse(an_error("no_answer", provider.Sent.MAYBE))
    generation.refresh_from_db()
    return generation, claim.callback_url


def test_the_callback_address_of_the_claim_decides_alone(listing, stub, settings):
    """The request looks different, the time is wrong, and an equal task exists."""
    generation, address = claimed_with_callback(settings, stub)
    mine = listing.add(generation, after=400, request={"callback_url": address, "prompt": "rewritten"})
    listing.add(generation, after=2)
    search(generation)
    assert generation.task_id == mine


def test_the_callback_address_is_stored_nowhere_and_logged_nowhere(listing, stub, settings, caplog):
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


def test_of_two_tasks_with_one_callback_address_the_better_is_taken(listing, stub, settings):
    generation, address = claimed_with_callback(settings, stub)
    failed = {"success": False, "error": {"code": "api_error", "message": "oh"}}
    listing.add(generation, after=1, request={"callback_url": address}, response=failed)
    good = listing.add(generation, after=5, request={"callback_url": address}, response=a_video())
    search(generation)
    assert (generation.state, generation.task_id) == ("completed", good)


def test_a_callback_address_with_another_key_is_only_offered(listing, stub, settings):
    generation, _ = claimed_with_callback(settings, stub)
    listing.add(generation, request={"callback_url": callback(generation, "of-an-earlier-claim")})
    search(generation)
    assert (generation.task_id, len(generation.offers)) == ("", 1)


@pytest.mark.parametrize("whose", ["another program", "another installation", "another video"])
def test_somebody_else_s_callback_address_makes_it_somebody_else_s(listing, stub, settings, whose):
    generation, _ = claimed_with_callback(settings, stub)
    address = {
        "another program": lambda: "https://elsewhere.example.com/hook",
        "another installation": lambda: f"https://a.example.com/callbacks/luma/{uuid.uuid4()}/{'k' * 43}/",
        "another video": lambda: callback(a_generation(prompt="other"), "key"),
    }[whose]()
    listing.add(generation, request={"callback_url": address})
    search(generation)
    assert (generation.task_id, generation.search_outcome, generation.offers) == ("", "not_found", [])


def test_a_dismissed_video_gets_its_task_by_the_callback_address(listing, stub, settings):
    dismissed, address = claimed_with_callback(settings, stub, prompt="dismissed")
    dismissed.dismiss(dismissed.member)
    listing.add(dismissed, request={"callback_url": address}, response=a_video())
    search(in_doubt(prompt="another"))
    dismissed.refresh_from_db()
    assert dismissed.state == "completed"


# ── What was extended, and frames ─────────────────────────────────────────────────────────────────────────────


def finished(**extra) -> Generation:
    parent = a_generation(prompt="parent")
    parent.claim()
    parent.record(a_result("p", **extra), "answer")
    return parent


@pytest.mark.parametrize(
    ("source", "adopted"),
    [
        ({"video_id": "video-1"}, True),
        ({"video_url": "https://platform.cdn.acedata.cloud/luma/v.mp4"}, True),
        ({"video_id": "another"}, False),
        ({"video_url": "https://example.com/other.mp4"}, False),
        ({}, False),
    ],
)
def test_an_extension_is_recognised_by_its_source(listing, source, adopted):
    parent = finished()
    generation = in_doubt(action="extend", source_video_id="video-1", parent=parent)
    listing.add(generation, request=source)
    search(generation)
    assert bool(generation.task_id) == adopted


def test_an_extension_of_our_copy_is_recognised_by_the_copy_s_url(listing):
    parent = finished()
    generation = in_doubt(action="extend", source_video_url="https://gone.example.com/v.mp4", parent=parent)
    address = TemporaryLink.create_for("https://films.example.com", generation, video=parent)
    listing.add(generation, request={"video_url": address})
    search(generation)
    assert generation.task_id


def a_frame() -> Frame:
    facts = {"sha256": uuid.uuid4().hex, "file": f"frames/{uuid.uuid4().hex}.jpg", "member": a_member("ben")}
    return Frame.objects.create(width=64, height=48, size_bytes=9, **facts)


@pytest.mark.parametrize("way", ["uploaded", "fetched", "another's", "none"])
def test_a_frame_is_recognised_by_the_link_that_was_sent(listing, token, way):
    frame = a_frame()
    generation = in_doubt(start_frame=frame)
    link = "https://cdn.acedata.cloud/uploads/1.jpg"
    if way == "uploaded":
        UploadedFrame.objects.remember(frame, token, url=link, expires_at=None, endpoint="")
    if way == "fetched":
        link = TemporaryLink.create_for("https://films.example.com", generation, frame=frame)
    listing.add(generation, request={} if way == "none" else {"start_image_url": link})
    search(generation)
    assert bool(generation.task_id) == (way in ("uploaded", "fetched"))


# ── Paging ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", [1, 3, 100])
def test_small_pages_are_read_in_turn(listing, page):
    listing.page = page
    generation = in_doubt(minutes=5)
    for after in (100, 200):
        listing.add(after=after - 300)
    mine = listing.add(generation)
    search(generation)
    assert generation.task_id == mine


def test_nothing_is_adopted_from_a_listing_without_an_end(listing):
    listing.page = 2
    generation = in_doubt(minutes=9)
    for number in range(20):
        listing.add(generation, after=100 + number, request={"prompt": "somebody else's"})
    listing.add(generation, after=599)
    search(generation)
    assert generation.task_id == "", "another one with this request may be on a page that was not read"
    assert len(generation.offers) == 1
    assert len(listing.calls) == 5


def test_a_listing_that_ignores_the_bounds_is_read_until_it_is_too_old(listing):
    listing.knows_bounds, listing.page = False, 10
    for hours in range(1, 300):
        listing.add(after=-3600 * hours)
    generation = in_doubt()
    mine = listing.add(generation)
    search(generation)
    assert (generation.task_id, len(listing.calls)) == (mine, 1)


def test_a_provider_that_ignores_the_offset_is_read_in_one_page(listing):
    listing.knows_offset = listing.knows_bounds = False
    generation = in_doubt()
    mine = listing.add(generation)
    listing.add()
    search(generation)
    assert (generation.task_id, len(listing.calls)) == (mine, 2)


def test_a_repeated_full_page_is_an_incomplete_listing(listing):
    listing.knows_offset = False
    generation = in_doubt(minutes=9)
    for number in range(120):
        listing.add(generation, after=100 + number, request={"prompt": "somebody else's"})
    listing.add(generation, after=300)
    search(generation)
    assert generation.task_id == ""


def test_a_listing_with_the_oldest_first_is_read_to_its_end(listing, stub):
    generation = in_doubt()
    for hours in range(1, 8):
        listing.add(after=-3600 * hours)
    mine = listing.add(generation)
    listing.tasks.sort(key=lambda task: task["created_at"])

    def oldest_first(path, body):
        page = listing.tasks[body["offset"] : body["offset"] + 2]
        return 200, {"items": page, "count": len(page)}

    stub.answer = oldest_first
    search(generation)
    assert generation.task_id == mine


# ── The schedule ──────────────────────────────────────────────────────────────────────────────────────────────


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
