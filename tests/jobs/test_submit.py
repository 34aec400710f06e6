"""Submit and poll against a stub provider on a real socket."""

import threading
import time

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from videos import tasks
from videos.jobs import polling, queue, sweep
from videos.models import ApiToken, Generation, Heartbeat, Lease
from videos.models.state import LOOKED_UP_AT_LEAST
from videos.provider import Sent

from ..support.factories import a_generation, a_result, a_token, an_error, running
from ..support.sample_videos import plain_video
from ..support.stub_provider import StubProvider

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_drain_sends_many_at_once(stub, token):
    stub.seconds = 2
    for _ in range(30):
        a_generation()
    ApiToken.objects.update(clear_at=timezone.now())
    started = time.monotonic()
    tasks.drain()
    assert set(Generation.objects.values_list("state", flat=True)) == {"processing"}
    assert len(stub.posts) == 30
    assert stub.most_at_once > 10
    assert time.monotonic() - started < 30 * 2 / 3


def test_any_number_of_drains_send_each_row_once(stub, token):
    stub.seconds = 0.05
    for number in range(40):
        a_generation(prompt=f"number {number}")
    drains = [threading.Thread(target=tasks.drain) for _ in range(4)]
    for drain in drains:
        drain.start()
    for drain in drains:
        drain.join()
    assert sorted(post["prompt"] for post in stub.posts) == sorted(f"number {number}" for number in range(40))
    assert ApiToken.objects.get().in_flight == 40


def test_a_redelivered_message_sends_nothing_twice(stub, token):
    a_generation()
    tasks.drain()
    tasks.drain()
    assert len(stub.posts) == 1


def test_no_more_than_the_token_s_limit_is_under_way(stub, token):
    ApiToken.objects.update(max_in_flight=3)
    for _ in range(8):
        a_generation()
    tasks.drain()
    assert len(stub.posts) == 3
    assert Generation.objects.filter(state="queued").count() == 5


def test_a_request_that_was_not_sent_is_queued_again(stub):
    token = a_token(base_url="http://127.0.0.1:9")
    generation = a_generation()
    tasks.drain()
    generation.refresh_from_db()
    token.refresh_from_db()
    assert (generation.state, token.health, token.in_flight) == ("queued", "limited", 0)
    assert "not_sent" in token.last_error


@pytest.mark.parametrize(
    ("status", "document", "state", "code"),
    [
        (200, {"task_id": "t"}, "processing", ""),
        (200, {"success": True, "task_id": "t", "video_url": "https://cdn.example.com/v.mp4"}, "completed", ""),
        (200, {}, "unconfirmed", "unreadable"),
        (400, {"error": {"code": "bad_request", "message": "prompt is required"}}, "failed", "bad_request"),
        (403, {"error": {"code": "forbidden", "message": "no"}, "trace_id": "trace"}, "failed", "forbidden"),
        (403, {"error": {"code": "used_up", "message": "no"}}, "queued", "used_up"),
        (429, {"error": {"code": "too_many_requests", "message": "slow down"}}, "queued", "too_many_requests"),
        (500, {"error": {"code": "api_error", "message": "oh"}}, "unconfirmed", "api_error"),
        (504, {"error": {"code": "timeout", "message": "late"}}, "unconfirmed", "timeout"),
        (502, {}, "unconfirmed", "api_error"),
    ],
)  # fmt: skip
def test_each_answer_has_its_outcome(stub, token, status, document, state, code):
    stub.answer = lambda path, body: (status, document)
    generation = a_generation()
    tasks.drain()
    generation.refresh_from_db()
    assert (generation.state, generation.error_code) == (state, code)
    assert len(stub.posts) == 1


def test_a_callback_url_is_sent_or_async_without_one(stub, token, settings):
    settings.PUBLIC_URL = "https://films.example.com"
    a_generation()
    tasks.drain()
    settings.PUBLIC_URL = ""
    a_generation()
    tasks.drain()
    assert stub.posts[0]["callback_url"].startswith("https://films.example.com/callbacks/luma/")
    assert "async" not in stub.posts[0]
    assert stub.posts[1]["async"] is True
    assert "callback_url" not in stub.posts[1]


def test_if_the_provider_refuses_one_reference_to_the_source_the_next_is_tried(stub, token, settings):
    settings.PUBLIC_URL = "https://films.example.com"
    parent = a_generation()
    parent.claim()
    parent.record(running("p"), "answer")
    parent.record(a_result("p", video_url=f"{stub.url}/v.mp4"), "callback")
    Generation.objects.filter(pk=parent.pk).update(archive="saved")
    stub.files["/v.mp4"] = b"x"
    stub.answer = lambda path, body: (
        (200, {"task_id": "t"})
        if "/clips/" in body.get("video_url", "")
        else (400, {"error": {"code": "bad_request", "message": "no such video"}})
    )
    child = a_generation(action="extend", source_video_id="video-1", parent=parent)
    tasks.drain()
    child.refresh_from_db()
    assert child.state == "processing"
    assert [sorted({"video_id", "video_url"} & set(post)) for post in stub.posts] == [
        ["video_id"], ["video_url"], ["video_url"],
    ]  # fmt: skip


def test_an_expired_link_is_not_tried(stub, token, settings):
    settings.PUBLIC_URL = ""
    parent = a_generation()
    parent.claim()
    parent.record(a_result("p", video_id="", video_url=f"{stub.url}/gone.mp4"), "callback")
    child = a_generation(action="extend", source_video_url=f"{stub.url}/gone.mp4", parent=parent)
    tasks.drain()
    child.refresh_from_db()
    assert (child.state, child.error_code) == ("failed", "source_gone")
    assert not stub.posts


def test_the_sweep_looks_up_tasks_without_a_callback(stub, token, settings):
    settings.PUBLIC_URL = ""
    generation = a_generation()
    tasks.drain()
    generation.refresh_from_db()
    result = {"success": True, "video_url": "https://platform.cdn.acedata.cloud/v.mp4", "video_id": "v"}
    stub.answer = lambda path, body: (200, {"items": [{"id": generation.task_id, "response": result}], "count": 1})
    Generation.objects.update(next_poll_at=timezone.now())
    assert polling.poll() == 1
    generation.refresh_from_db()
    assert (generation.state, generation.result_channel) == ("completed", "sweep")
    assert stub.posts[-1] == {"action": "retrieve_batch", "ids": [generation.task_id]}


def test_a_running_task_is_looked_up_again_later(stub, token, settings):
    settings.PUBLIC_URL = ""
    generation = a_generation()
    tasks.drain()
    generation.refresh_from_db()
    stub.answer = lambda path, body: (200, {"items": [{"id": generation.task_id}], "count": 1})
    Generation.objects.update(next_poll_at=timezone.now())
    polling.poll()
    generation.refresh_from_db()
    assert generation.state == "processing"
    assert generation.next_poll_at > timezone.now()
    assert polling.poll() == 0


def test_the_sweep_finds_the_rows_of_a_dead_worker(stub, token):
    generation = a_generation()
    generation.claim()
    sweep.sweep()
    generation.refresh_from_db()
    assert generation.state == "submitting", "it may still be under way"
    Generation.objects.update(submitted_at=timezone.now() - timezone.timedelta(minutes=5))
    sweep.sweep()
    generation.refresh_from_db()
    assert (generation.state, generation.error_code) == ("unconfirmed", "interrupted")


def test_a_task_that_never_ends_fails_after_a_last_look_up(stub, token):
    generation = a_generation(timeout=30)
    generation.claim()
    generation.record(running(), "answer")
    Generation.objects.update(accepted_at=timezone.now() - timezone.timedelta(hours=1), next_poll_at=timezone.now())
    sweep.sweep()
    generation.refresh_from_db()
    assert generation.state == "processing", "after a night asleep the video may well be there: ask first"
    stub.answer = lambda path, body: (200, {"items": [{"id": "task-1"}], "count": 1})
    polling.poll()
    generation.refresh_from_db()
    assert generation.state == "processing", "the clock may have jumped: look several times"
    Generation.objects.update(next_poll_at=timezone.now(), poll_count=LOOKED_UP_AT_LEAST)
    polling.poll()
    generation.refresh_from_db()
    assert (generation.state, generation.error_code) == ("failed", "overdue")
    generation.record(a_result(), "callback")
    assert generation.state == "completed", "it came after all, and it is ours"


def test_a_task_that_finished_during_downtime_is_found(stub, token):
    generation = a_generation(timeout=30)
    generation.claim()
    generation.record(running(), "answer")
    Generation.objects.update(accepted_at=timezone.now() - timezone.timedelta(hours=8), next_poll_at=timezone.now())
    done = {"success": True, "video_url": "https://platform.cdn.acedata.cloud/v.mp4"}
    stub.answer = lambda path, body: (200, {"items": [{"id": "task-1", "response": done}], "count": 1})
    sweep.sweep()
    polling.poll()
    generation.refresh_from_db()
    assert generation.state == "completed"


def test_a_task_that_can_no_longer_be_looked_up_finally_fails(stub, token):
    generation = a_generation(timeout=30)
    generation.claim()
    generation.record(running(), "answer")
    Generation.objects.update(accepted_at=timezone.now() - timezone.timedelta(hours=30))
    sweep.sweep()
    generation.refresh_from_db()
    assert (generation.state, generation.error_code) == ("failed", "overdue")


def test_nothing_is_claimed_once_the_workers_stop(stub, token, settings):
    a_generation()
    settings.WORKERS_STOPPING.touch()
    try:
        tasks.drain()
        assert not stub.posts
    finally:
        settings.WORKERS_STOPPING.unlink()
    tasks.drain()
    assert len(stub.posts) == 1


def test_a_locked_database_loses_no_answer(stub, token):
    """During the POST, another connection holds the write lock for longer than one attempt waits."""
    stub.seconds = 0.3
    generation = a_generation()

    def hold(path, body):
        from django.db import connection, transaction

        def lock() -> None:
            with transaction.atomic():
                Heartbeat.stamp("the lock")
                time.sleep(1.5)
            connection.close()

        threading.Thread(target=lock).start()
        time.sleep(0.2)
        return 200, {"task_id": "kept"}

    stub.answer = hold
    tasks.drain()
    generation.refresh_from_db()
    assert (generation.state, generation.task_id) == ("processing", "kept")


def test_a_callback_about_an_unknown_task_is_dropped(stub, token):
    """It came before the answer, its link is dead, and the provider does not know its task."""
    generation = a_generation()
    generation.claim()
    generation.record(a_result("forged", video_url=f"{stub.url}/nothing.mp4"), "callback")
    stub.answer = lambda path, body: (200, {})
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert (generation.state, generation.task_id) == ("unconfirmed", "")
    generation.record(a_result("true", video_url=f"{stub.url}/v.mp4"), "callback")
    assert (generation.state, generation.task_id) == ("completed", "true")


def finished(stub, path="/v.mp4") -> Generation:
    generation = a_generation()
    generation.claim()
    generation.record(a_result(video_url=stub.url + path), "callback")
    return generation


def test_a_finished_video_is_saved_once(stub, token, tmp_path):
    stub.files["/v.mp4"] = plain_video(tmp_path)
    generation = finished(stub)
    tasks.archive(generation.pk)
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved"
    assert generation.video_file.open("rb").read() == stub.files["/v.mp4"]
    assert generation.size_bytes == len(stub.files["/v.mp4"])
    assert generation.duration == pytest.approx(1, abs=0.1)
    assert default_storage.exists(generation.poster_file.name)
    assert default_storage.exists(generation.thumbnail_file.name)
    assert generation.events.filter(kind="saved").count() == 1


@pytest.mark.parametrize("content", [None, b"<html>expired</html>", b"\0\0\0\x18ftypmp42" + bytes(100)])
def test_a_failed_save_is_retried_and_the_video_plays_from_the_provider(stub, token, content):
    if content is not None:
        stub.files["/v.mp4"] = content
    generation = finished(stub)
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert (generation.archive, generation.archive_attempts) == ("remote", 1)
    assert generation.archive_at > timezone.now()
    assert generation.events.filter(kind="save_failed").exists()


def test_a_link_to_a_forbidden_host_is_not_followed(stub, token, tmp_path):
    other = StubProvider()
    other.files["/v.mp4"] = plain_video(tmp_path)
    generation = a_generation()
    generation.claim()
    generation.record(a_result(video_url=f"{other.url}/v.mp4"), "callback")
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    other.shutdown()
    assert generation.archive == "remote"


def test_only_work_stamps_the_heartbeat():
    queue.enqueue_heartbeats()
    assert not Heartbeat.objects.exists()
    tasks.beat("lumaweb")
    assert Heartbeat.objects.of_cluster("lumaweb").exists()


def test_a_lease_has_one_holder():
    assert Lease.objects.acquire("ticker", "a", 30)
    assert not Lease.objects.acquire("ticker", "b", 30)
    assert Lease.objects.acquire("ticker", "a", 30)
    Lease.objects.release("ticker", "a")
    assert Lease.objects.acquire("ticker", "b", 30)


def test_a_member_s_batch_does_not_delay_a_colleague(stub, token):
    from ..support.factories import a_member

    ApiToken.objects.update(max_in_flight=4)
    ada, ben = a_member("ada"), a_member("ben")
    for number in range(20):
        a_generation(ada, prompt=f"batch {number}")
    a_generation(ben, prompt="single")
    tasks.drain()
    assert "single" in [post["prompt"] for post in stub.posts]


def test_a_token_that_cannot_be_decrypted_is_disabled(stub, token):
    ApiToken.objects.update(encrypted=b"written with another key")
    generation = a_generation()
    tasks.drain()
    generation.refresh_from_db()
    assert (generation.state, ApiToken.objects.get().health) == ("queued", "invalid")
    assert not stub.posts


def test_an_unknown_outcome_outranks_the_error_code(stub, token):
    """A code that normally resends does not if the request may have arrived."""
    generation = a_generation()
    generation.claim()
    generation.refuse(an_error("too_many_requests", Sent.MAYBE))
    assert generation.state == "unconfirmed"
