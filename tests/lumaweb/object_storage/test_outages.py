"""Pages and jobs while a bucket is unreachable."""

import time

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse

from videos import tasks
from videos.jobs import sweep
from videos.models import OrphanedFile
from videos.views import delivery

from ...support.bucket import files_of, finished, saved, stored_in
from ...support.s3_server import SECRET_KEY

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_card_says_that_it_waits_for_the_bucket(client, ada, stub, token, mp4, s3):
    generation = finished(stub, mp4)
    s3.stop()
    tasks.archive(generation.pk)
    text = client.get("/").text
    assert "The storage for videos cannot be written to." in text
    assert "manage.py doctor" in text, "she is an admin"
    s3.start()
    assert client.post(reverse("saving", args=[generation.uuid])).status_code == 302
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved"


def test_permanent_deletion_removes_objects_and_is_retried_during_an_outage(stub, token, mp4, s3, bucket):
    rows = [saved(stub, mp4) for _ in range(3)]
    for row in rows:
        row.trash(row.member)
        assert row.purge()
    s3.stop()
    s3.asked.clear()
    sweep.remove_orphaned_files()
    assert OrphanedFile.objects.count() == 9
    assert len({path for _, path in s3.asked}) == 1, "one silence is enough"
    s3.start()
    sweep.remove_orphaned_files()
    assert not OrphanedFile.objects.exists()
    assert stored_in(s3, bucket) == {}


def test_pages_work_without_the_bucket_and_files_say_why_they_do_not(client, ada, stub, token, mp4, s3, bucket, caplog):
    generation = saved(stub, mp4, prompt="a fox")
    s3.stop()
    for path in ("/", f"/generations/{generation.uuid}/"):
        page = client.get(path)
        assert page.status_code == 200 and "a fox" in page.content.decode()
    for name in ("video", "poster", "thumbnail"):
        answer = client.get(reverse(name, args=[generation.uuid]))
        assert answer.status_code == 503
        assert "Nothing is lost" in answer.content.decode()
        assert (answer["Cache-Control"], answer["Retry-After"]) == ("private, no-store", "30")
    s3.asked.clear()
    assert client.get(reverse("video", args=[generation.uuid])).status_code == 503
    assert s3.asked == [], "nobody waits for what has just not answered"
    answer = client.post("/selection/zip/", {"v": [str(generation.uuid)]}, follow=True)
    assert "Nothing is lost" in answer.content.decode()
    cut = client.post(f"/generations/{generation.uuid}/frames/", {"at": "0"}, headers={"Accept": "application/json"})
    assert cut.status_code == 422 and "could not be taken" in cut.json()["error"]
    assert SECRET_KEY not in caplog.text and "X-Amz-Signature" not in caplog.text


def test_the_bucket_is_tried_again_after_a_pause(client, ada, stub, token, mp4, s3, bucket, monkeypatch):
    generation = saved(stub, mp4)
    monkeypatch.setattr(delivery, "BACK_OFF_SECONDS", 0.2)
    path = reverse("video", args=[generation.uuid])
    s3.stop()
    assert client.get(path).status_code == 503
    s3.start()
    end = time.monotonic() + 20
    while client.get(path).status_code != 302:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_missing_object_is_not_reported_as_an_outage(client, ada, stub, token, mp4, bucket):
    generation = saved(stub, mp4)
    for name in files_of(generation):
        default_storage.delete(name)
    for name in ("video", "poster"):
        assert client.get(reverse(name, args=[generation.uuid])).status_code == 404


def test_readiness_checks_the_bucket(client, s3, settings, bucket):
    end = time.monotonic() + 30
    s3.stop()
    while "storage" not in client.get("/readyz").json()["problems"]:
        assert time.monotonic() < end, "an answer is kept for seconds only"
        time.sleep(0.2)
