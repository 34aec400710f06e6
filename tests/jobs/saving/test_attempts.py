"""Attempts: workers that die, queue timeouts, deadlines."""

import multiprocessing
import os
import signal
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from videos import tasks
from videos.jobs import saving, saving_worker
from videos.media import saved_videos
from videos.media.decoding import slots
from videos.models import Generation, Lease
from videos.models.generation.saving import READING

from ...support.media_host import attempt, drips, finished, gives, kinds

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]


def in_a_worker(generation: Generation, dies: str = "") -> int:
    """Save the video in a separate process, like a worker of this one; return how that ended."""

    def work() -> None:
        connections.close_all()
        if dies == "reading":
            saved_videos.decoding.read_video = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)
        elif dies:
            saved_videos.download.fetch = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
        tasks.archive(generation.pk)

    Generation.objects.filter(pk=generation.pk, archive="remote").update(archive_at=timezone.now())
    connections.close_all()
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    generation.refresh_from_db()
    return process.exitcode


@pytest.mark.parametrize("step", ["fetching", "reading"])
def test_a_file_that_kills_its_worker_twice_is_set_aside_and_others_are_saved(client, cdn, token, film, step):
    cdn.at |= {"/poison.mp4": film, "/v.mp4": film}
    poison, other = finished(f"{cdn.url}/poison.mp4"), finished(f"{cdn.url}/v.mp4")
    assert in_a_worker(poison, dies=step) == -signal.SIGKILL
    assert (poison.archive, poison.archive_attempts, poison.archive_deaths) == ("remote", 1, 0)
    assert in_a_worker(poison, dies=step) == -signal.SIGKILL
    assert (poison.archive, poison.archive_attempts, poison.archive_deaths) == ("remote", 2, 1)
    Lease.objects.update(until=timezone.now() - timedelta(seconds=1))  # of the worker that is gone
    assert in_a_worker(poison, dies=step) == 0, "it is not even tried"
    assert (poison.archive, poison.archive_at, kinds(poison)[-1]) == ("lost", None, "set_aside")
    assert poison not in Generation.objects.worth_saving()
    assert poison.explanation.title == "Set aside"
    assert "stopped a worker each time" in poison.explanation.text
    assert in_a_worker(other) == 0
    assert other.archive == "saved"
    client.force_login(poison.member)
    assert "Set aside" in client.get("/").text
    client.post(reverse("saving", args=[poison.uuid]))
    assert in_a_worker(poison) == 0
    assert (poison.archive, poison.archive_deaths, poison.explanation) == ("saved", 0, None)


def test_a_file_saved_beside_one_that_kills_workers_is_not_set_aside(cdn, token, film):
    """Both workers die together, and would again if both were retried together: suspects are saved one at a time."""
    cdn.at |= {"/poison.mp4": film, "/v.mp4": film}
    poison, beside = finished(f"{cdn.url}/poison.mp4"), finished(f"{cdn.url}/v.mp4")
    for generation in (poison, beside):
        in_a_worker(generation, dies="fetching")
    in_a_worker(poison, dies="fetching")
    assert poison.archive_deaths == 1
    attempts = beside.archive_attempts
    in_a_worker(beside)
    assert (beside.archive, beside.archive_deaths, beside.archive_attempts) == ("remote", 1, attempts)
    assert beside.archive_at > timezone.now(), "it waits for its turn"
    Lease.objects.update(until=timezone.now() - timedelta(seconds=1))
    in_a_worker(poison)
    assert poison.archive == "lost"
    in_a_worker(beside)
    assert beside.archive == "saved"
    assert Lease.objects.get(name=saving_worker.SUSPECT_LEASE).until < timezone.now(), "it was given back"


def test_one_killed_worker_is_reported_and_the_next_attempt_saves_the_video(cdn, token, film):
    cdn.at["/v.mp4"] = film
    generation = finished(f"{cdn.url}/v.mp4")
    in_a_worker(generation, dies="fetching")
    in_a_worker(generation)
    assert (generation.archive, kinds(generation)[-2:]) == ("saved", ["save_interrupted", "saved"])


def test_a_restart_of_all_workers_counts_against_no_file(cdn, token, film):
    """The parent of the worker is gone too; yet a file that was being decoded may have ended all of them."""
    cdn.at["/v.mp4"] = film
    for mark, deaths in (("", 0), (READING, 1)):
        generation = finished(f"{cdn.url}/v.mp4")
        machine, _, _ = saving_worker.worker_name().rsplit("/", 2)
        gone = multiprocessing.get_context("fork").Process(target=int)
        gone.start()
        gone.join()
        name = f"{machine}/{gone.pid}/{gone.pid}{mark}"
        Generation.objects.filter(pk=generation.pk).update(archive_worker=name)
        assert saving_worker.was_stopped_by_file(name) == bool(deaths)
        assert attempt(generation).archive == "saved"
        assert ("save_interrupted" in kinds(generation)) == bool(deaths)


def test_a_running_worker_counts_against_no_file(cdn, token):
    machine, parent, _ = saving_worker.worker_name().rsplit("/", 2)
    assert not saving_worker.was_stopped_by_file("")
    assert not saving_worker.was_stopped_by_file(saving_worker.worker_name())
    assert not saving_worker.was_stopped_by_file(f"{machine}/{parent}/1"), "of another user, but it is there"
    assert saving_worker.was_stopped_by_file(f"media@elsewhere-00000000/{parent}/1"), (
        "of another machine nobody can tell"
    )


def test_waiting_for_a_decoder_slot_is_not_an_attempt(cdn, token, film, monkeypatch):
    monkeypatch.setattr(saved_videos.decoding, "WORKER_WAIT", 0.1)
    cdn.at["/v.mp4"] = film
    generation = finished(f"{cdn.url}/v.mp4")
    with slots.all_of_them(settings.DATA_DIR, 0):
        attempt(generation)
    assert (generation.archive, generation.archive_attempts, generation.archive_worker) == ("remote", 0, "")
    assert timezone.now() < generation.archive_at < timezone.now() + timedelta(seconds=20)
    assert generation.explanation is None
    assert not default_storage.exists("incoming") or not default_storage.listdir("incoming")[1]
    assert attempt(generation).archive == "saved"


def test_an_attempt_counts_when_it_begins(cdn, token, film):
    cdn.at["/v.mp4"] = film
    generation = finished(f"{cdn.url}/v.mp4")
    Generation.objects.filter(pk=generation.pk).update(archive_at=timezone.now())
    generation.refresh_from_db()
    assert generation.begin_saving(60, "media@here/1/2")
    generation.refresh_from_db()
    assert (generation.archive_attempts, generation.archive_worker) == (1, "media@here/1/2")
    assert not generation.begin_saving(60, "media@here/1/3"), "it is leased"
    generation.refresh_from_db()
    assert generation.archive_attempts == 1


class QueueTimeout(SystemExit):
    """The exception that the queue raises in a worker that exceeds its time."""


def test_a_save_that_the_queue_times_out_waits_longer_each_time(cdn, token, film, monkeypatch):
    def hangs(*args):
        raise QueueTimeout

    monkeypatch.setattr(saved_videos.download, "fetch", hangs)
    generation = finished(f"{cdn.url}/v.mp4")
    for tries in (1, 2, 3):
        with pytest.raises(QueueTimeout):
            attempt(generation)
        generation.refresh_from_db()
        assert (generation.archive_error, generation.archive_attempts) == ("too_slow", tries)
        assert not generation.archive_worker
    assert "took too long" in generation.explanation.text


def test_a_file_whose_decoding_times_out_counts_as_one_that_kills_its_worker(cdn, token, film, monkeypatch):
    def hangs(*args, **kwargs):
        raise QueueTimeout

    cdn.at["/v.mp4"] = film
    monkeypatch.setattr(saved_videos.decoding, "read_video", hangs)
    generation = finished(f"{cdn.url}/v.mp4")
    with pytest.raises(QueueTimeout):
        attempt(generation)
    generation.refresh_from_db()
    assert generation.archive_worker.endswith(READING), "what the next worker will see"
    assert not default_storage.exists("incoming") or not default_storage.listdir("incoming")[1]


def test_both_downloads_of_an_attempt_end_before_the_queue_s_timeout(settings):
    limit = settings.Q_CLUSTER["ALT_CLUSTERS"]["media"]["timeout"]
    assert saved_videos.DOWNLOAD_SECONDS <= saving.FETCH_SECONDS < limit - 120


def test_the_second_download_has_the_first_one_s_remaining_time(stub, cdn, token, film, monkeypatch):
    cdn.at |= {"/slow.mp4": drips(film), "/fresh.mp4": film}
    gives(stub, f"{cdn.url}/fresh.mp4")
    monkeypatch.setattr(saving, "FETCH_SECONDS", 1.0)
    generation = finished(f"{cdn.url}/slow.mp4")
    began = time.monotonic()
    attempt(generation)
    assert time.monotonic() - began < 10
    assert (generation.archive, generation.archive_error) == ("remote", "unreachable")
    assert cdn.asked == ["/slow.mp4"], "nothing is begun that cannot end"
