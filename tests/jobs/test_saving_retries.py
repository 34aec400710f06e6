"""Retry saves: expired links, slow uploads and files of killed workers."""

import os
import threading
import time

import pytest
from django.utils import timezone
from django_q.brokers import get_broker

from videos import tasks
from videos.jobs import queue, saving, saving_worker, sweep
from videos.media import download, saved_videos
from videos.models import Generation, Heartbeat

from ..support.factories import a_generation, a_token
from ..support.finished_videos import a_task, a_video, finished, kinds

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]


def test_an_expired_link_is_renewed_and_the_video_saved(stub, token, mp4):
    generation = finished(stub, "/expired.mp4")
    stub.files["/v.mp4"] = mp4
    stub.answer = lambda path, body: (200, a_task(generation.task_id, a_video(stub)))
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert (generation.archive, generation.video_url) == ("saved", f"{stub.url}/v.mp4")
    assert kinds(generation)[-2:] == ["relinked", "saved"]
    assert stub.posts == [{"action": "retrieve", "id": generation.task_id}]


@pytest.mark.parametrize("answer", [(200, {}), (500, {}), (200, None)])
def test_without_a_fresh_link_the_save_is_retried_for_days(stub, token, answer):
    generation = finished(stub, "/expired.mp4")
    same = a_task(generation.task_id, a_video(stub, video_url=generation.video_url))
    stub.answer = lambda path, body: (answer[0], answer[1] if answer[1] is not None else same)
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert (generation.archive, generation.archive_attempts) == ("remote", 1)
    assert "relinked" not in kinds(generation)
    Generation.objects.update(archive_at=timezone.now(), archive_attempts=saving.MAX_ATTEMPTS - 1)
    tasks.archive(generation.pk)
    Generation.objects.update(archive_at=timezone.now())
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert (generation.archive, kinds(generation)[-2:]) == ("lost", ["save_failed", "lost"])


def test_the_waits_between_attempts_add_up_to_days_and_have_jitter(stub, token):
    generation = finished(stub, "/expired.mp4")
    waits = []
    for tries in range(saving.MAX_ATTEMPTS):
        Generation.objects.update(archive_at=timezone.now(), archive_attempts=tries)
        tasks.archive(generation.pk)
        generation.refresh_from_db()
        waits.append((generation.archive_at - timezone.now()).total_seconds())
    assert 3 * 86400 < sum(waits) < 8 * 86400
    assert len({round(wait) for wait in waits[-8:]}) > 1


def test_a_slow_upload_to_the_storage_renews_its_lease(monkeypatch):
    # An upload to a bucket may be slow: no other worker takes the save, and the watchdog sees a live worker.
    generation = a_generation(state="completed", archive="remote", video_url="https://x/y")
    Generation.objects.filter(pk=generation.pk).update(archive_at=timezone.now())
    monkeypatch.setattr(saving_worker, "SAVING_LEASE", 0.4)
    seen = []

    def slowly(row):
        Heartbeat.objects.all().delete()
        for _ in range(12):
            time.sleep(0.1)
            row.refresh_from_db()
            seen.append((row.archive_at > timezone.now(), Heartbeat.objects.exists()))
        raise OSError("the bucket is silent")

    monkeypatch.setattr(saving, "_save", slowly)
    tasks.archive(generation.pk)
    assert all(leased for leased, _ in seen)
    assert [beats for _, beats in seen][-8:] == [True] * 8
    assert not [thread for thread in threading.enumerate() if thread.name == "still-saving"]


def test_files_of_a_killed_save_are_removed_by_a_later_one(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    (tmp_path / "incoming").mkdir()
    old, new = (tmp_path / "incoming" / name for name in ("old.mp4", "new.mp4"))
    for path in (old, new):
        path.write_bytes(b"half a film")
    os.utime(old, (time.time() - 7200,) * 2)
    with pytest.raises(download.NotAllowed):
        saved_videos.save_video(
            saving.remote_video(a_generation(state="completed", token=a_token(), video_url="https://x.invalid/y"))
        )
    assert [path.name for path in (tmp_path / "incoming").iterdir()] == ["new.mp4"]


def test_the_queue_of_saves_is_bounded_while_no_worker_runs(monkeypatch):
    monkeypatch.setattr(sweep, "MAX_QUEUED_SAVES", 5)
    get_broker(queue.MEDIA_CLUSTER).purge_queue()  # Redis keeps the calls of other tests
    for _ in range(8):
        row = a_generation(state="completed", archive="remote", video_url="https://x/y")
        Generation.objects.filter(pk=row.pk).update(archive_at=timezone.now())
    for _ in range(4):
        sweep.enqueue_saves()
    assert queue.queue_sizes()[queue.MEDIA_CLUSTER] == 5
