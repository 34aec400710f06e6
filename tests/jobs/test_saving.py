"""Save finished videos completely despite bad files, links, thumbnails, workers and storage."""

import errno
import io
import multiprocessing
import os
import signal
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import DatabaseError, connections
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from videos import tasks
from videos.jobs import adoption, saving, saving_failures, saving_worker, sweep
from videos.media import download, saved_videos, storage
from videos.media.decoding import slots
from videos.models import Generation, Lease, OrphanedFile
from videos.models.generation.saving import READING
from videos.models.generation.saving_explanation import CAUSES

from ..sandbox.process import Sandbox
from ..support.factories import a_generation, a_member, a_result, a_token, an_admin, running
from ..support.sample_videos import noise_video, read_unchecked
from ..support.serving import serve

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]

HTML = b"<!DOCTYPE html><title>Sign in</title>"


class Cdn(ThreadingHTTPServer):
    """Serve bytes, or a function that answers the handler, by path; record GET requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.at: dict[str, bytes | Callable] = {}
        self.asked: list[str] = []
        serve(self)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        what = self.server.at.get(self.path)
        if callable(what):
            what(self)
        else:
            self.answer(404 if what is None else 200, what or b"")

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        """Tests need no access log."""


@pytest.fixture
def cdn(settings):
    server = Cdn()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def token(stub, cdn, settings):
    # An origin of ours may be on this machine: it stands for the provider's CDN here.
    settings.PUBLIC_URL = cdn.url
    return a_token(base_url=stub.url)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> bytes:
    return noise_video(tmp_path_factory.mktemp("film") / "film.mp4", seconds=1, movflags="faststart")


def finished(link: str, **result) -> Generation:
    generation = a_generation()
    generation.claim()
    task_id = str(uuid.uuid4())
    generation.record(running(task_id), "answer")
    generation.record(a_result(task_id, video_url=link, **result), "callback")
    return generation


def attempt(generation: Generation) -> Generation:
    """Save the video now, even if it is not due."""
    Generation.objects.filter(pk=generation.pk, archive="remote").update(archive_at=timezone.now())
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    return generation


def gives(stub, link: str) -> None:
    """Make look-ups of the task return this link."""
    stub.answer = lambda path, body: (
        200,
        {"id": body["id"], "finished_at": 2.0, "response": {"success": True, "state": "completed", "video_url": link}},
    )


def kinds(generation: Generation) -> list[str]:
    return list(generation.events.values_list("kind", flat=True))


def redirects_to(place: str) -> Callable:
    return lambda handler: handler.answer(302, Location=place)


def cuts(data: bytes) -> Callable:
    """Announce more bytes than are sent, then close the connection."""
    return lambda handler: handler.answer(200, data, Content_Length=str(2 * len(data)))


def drips(data: bytes) -> Callable:
    """Send one byte every quarter of a second, so that no single read takes long."""

    def drip(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        try:
            for place in range(len(data)):
                handler.wfile.write(data[place : place + 1])
                time.sleep(0.25)
        except OSError:
            return  # whoever asked has gone

    return drip


def a_jpeg(color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), color).save(out, "JPEG")
    return out.getvalue()


# ── Fresh links ───────────────────────────────────────────────────────────────────────────────────────────────

BAD = {
    "half": (lambda film, cdn: film[: len(film) // 2], "incomplete"),
    "cut connection": (lambda film, cdn: cuts(film[:-1]), "unreachable"),
    "empty": (lambda film, cdn: b"", "not_a_video"),
    "web page": (lambda film, cdn: HTML, "not_a_video"),
    "picture": (lambda film, cdn: a_jpeg(), "not_a_video"),
    "sign-in": (lambda film, cdn: lambda handler: handler.answer(401), "no_access"),
    "forbidden": (lambda film, cdn: lambda handler: handler.answer(403, HTML), "no_access"),
    "redirect to a sign-in page": (lambda film, cdn: redirects_to(f"{cdn.url}/login"), "not_a_video"),
    "redirect to another host": (lambda film, cdn: redirects_to("http://sso.example.com/"), "not_allowed"),
    "gone": (lambda film, cdn: lambda handler: handler.answer(410), "link_gone"),
    "broken server": (lambda film, cdn: lambda handler: handler.answer(503), "server_error"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_incomplete_video_is_downloaded_again_from_a_fresh_link(stub, cdn, token, film, kind):
    make, _ = BAD[kind]
    cdn.at |= {"/bad.mp4": make(film, cdn), "/login": HTML, "/fresh.mp4": film}
    gives(stub, f"{cdn.url}/fresh.mp4")
    generation = attempt(finished(f"{cdn.url}/bad.mp4"))
    assert (generation.archive, generation.archive_error) == ("saved", "")
    assert generation.video_file.open("rb").read() == film
    assert kinds(generation)[-2:] == ["relinked", "saved"]
    assert stub.posts == [{"action": "retrieve", "id": generation.task_id}]


@pytest.mark.parametrize("kind", BAD)
def test_without_a_fresh_link_the_save_waits_and_says_why(stub, cdn, token, film, kind):
    make, code = BAD[kind]
    cdn.at |= {"/bad.mp4": make(film, cdn), "/login": HTML}
    link = f"{cdn.url}/bad.mp4"
    gives(stub, link)
    generation = attempt(finished(link))
    assert (generation.archive, generation.archive_error, generation.archive_attempts) == ("remote", code, 1)
    assert generation.archive_at > timezone.now()
    assert "The provider gives no other link." in generation.explanation.text
    assert "Tried once; next attempt on" in generation.explanation.text
    assert not list(default_storage.listdir("videos")[1] if default_storage.exists("videos") else [])
    cdn.at["/bad.mp4"] = film
    assert attempt(generation).archive == "saved"
    assert generation.explanation is None


def test_a_forbidden_host_is_named_and_retried_hourly(stub, cdn, token, film):
    gives(stub, "https://films.example.com/v.mp4")
    generation = finished("https://films.example.com/v.mp4")
    Generation.objects.filter(pk=generation.pk).update(archive_attempts=saving.MAX_ATTEMPTS + 5)
    attempt(generation)
    assert (generation.archive, generation.archive_error) == ("remote", "not_allowed"), "never given up for that"
    assert generation.archive_at < timezone.now() + timedelta(hours=1.3)
    assert "films.example.com, which is not one of the allowed media hosts" in generation.explanation.text
    assert "An admin" in generation.explanation.advice
    assert "LUMAWEB_MEDIA_HOSTS" in generation.explanation.for_admins
    cdn.at["/fresh.mp4"] = film
    gives(stub, f"{cdn.url}/fresh.mp4")
    assert attempt(generation).archive == "saved"


def test_our_own_origin_is_a_media_host_only_while_the_provider_is_local(stub, cdn, token, film):
    cdn.at["/ours.mp4"] = film
    finished(f"{cdn.url}/ours.mp4")
    token.base_url = "https://api.acedata.cloud"
    token.save()
    with pytest.raises(download.HostNotListed):
        saved_videos.save_video(saving.remote_video(Generation.objects.get()))
    assert cdn.asked == []
    token.base_url = stub.url
    token.save()
    assert default_storage.exists(saved_videos.save_video(saving.remote_video(Generation.objects.get())).video_file)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {}), "no longer knows its task"),
        ((500, {}), "could not be looked up"),
        ((200, {"finished_at": 2.0, "response": {"error": {"code": "api_error"}}}), "no longer has a link"),
    ],
)
def test_a_failed_look_up_is_explained(stub, cdn, token, answer, words):
    stub.answer = lambda path, body: (answer[0], answer[1] and {"id": body["id"]} | answer[1])
    generation = attempt(finished(f"{cdn.url}/gone.mp4"))
    assert words in generation.explanation.text
    assert words in generation.events.filter(kind="save_failed").last().text
    assert generation.state == "completed"


def test_a_fresh_link_that_also_fails_is_explained(stub, cdn, token):
    cdn.at["/fresh.mp4"] = HTML
    gives(stub, f"{cdn.url}/fresh.mp4")
    generation = attempt(finished(f"{cdn.url}/gone.mp4"))
    assert "web page" in generation.explanation.text
    assert "A fresh link did not help." in generation.explanation.text
    assert cdn.asked == ["/gone.mp4", "/fresh.mp4"]


def test_an_old_callback_is_kept_when_the_provider_no_longer_knows_its_task(stub, cdn, token):
    """Providers may delete tasks after 24 hours; an unknown younger task never existed."""
    for hours, state in ((23, "unconfirmed"), (25, "completed")):
        generation = a_generation()
        generation.claim()
        link = "https://films.example.com/v.mp4"
        generation.record(a_result(str(uuid.uuid4()), video_url=link), "callback")
        Generation.objects.filter(pk=generation.pk).update(finished_at=timezone.now() - timedelta(hours=hours))
        stub.answer = lambda path, body: (200, {})
        attempt(generation)
        assert generation.state == state
        assert (generation.video_url == link) == (state == "completed")


def test_an_outage_of_the_media_host_does_not_discard_a_callback(stub, cdn, token):
    cdn.at["/v.mp4"] = lambda handler: handler.answer(503)
    generation = a_generation()
    generation.claim()
    generation.record(a_result("task-9", video_url=f"{cdn.url}/v.mp4"), "callback")
    stub.answer = lambda path, body: (200, {})
    assert attempt(generation).state == "completed"


# ── Thumbnails ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_slow_thumbnail_does_not_delay_the_video_and_the_poster_is_made_from_the_video(cdn, token, film, monkeypatch):
    monkeypatch.setattr(saved_videos, "THUMBNAIL_SECONDS", 1.0)
    cdn.at |= {"/v.mp4": film, "/t.jpg": drips(a_jpeg())}
    generation = finished(f"{cdn.url}/v.mp4", thumbnail_url=f"{cdn.url}/t.jpg")
    began = time.monotonic()
    attempt(generation)
    assert generation.archive == "saved"
    assert time.monotonic() - began < 5
    with Image.open(generation.poster_file.open("rb")) as poster:
        assert poster.size == (64, 48)


def test_the_deadline_of_a_thumbnail_is_a_few_seconds():
    assert saved_videos.THUMBNAIL_SECONDS <= 10


@pytest.mark.parametrize("bad", [None, b"", HTML, b"\xff\xd8\xff cut"])
def test_without_a_good_thumbnail_the_poster_is_made_from_the_video(cdn, token, film, bad):
    cdn.at |= {"/v.mp4": film} | ({} if bad is None else {"/t.jpg": bad})
    generation = attempt(finished(f"{cdn.url}/v.mp4", thumbnail_url=f"{cdn.url}/t.jpg"))
    assert generation.archive == "saved"
    assert default_storage.exists(generation.thumbnail_file.name)


def test_a_good_thumbnail_is_used(cdn, token, film):
    cdn.at |= {"/v.mp4": film, "/t.jpg": a_jpeg("blue")}
    generation = attempt(finished(f"{cdn.url}/v.mp4", thumbnail_url=f"{cdn.url}/t.jpg"))
    with Image.open(generation.thumbnail_file.open("rb")) as image:
        assert image.convert("RGB").getpixel((5, 5))[2] > 200


# ── Attempts and workers that die ─────────────────────────────────────────────────────────────────────────────


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
        name = f"{machine}/1/{gone.pid}{mark}"
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


# ── The storage ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(errno.ENOSPC, "storage_full", "storage for videos is full"), (errno.EACCES, "storage_away", "cannot be written")],
)
def test_saves_wait_for_a_storage_that_refuses_writes(cdn, token, film, monkeypatch, number, code, words):
    cdn.at["/v.mp4"] = film
    generation = finished(f"{cdn.url}/v.mp4")
    Generation.objects.filter(pk=generation.pk).update(archive_attempts=saving.MAX_ATTEMPTS + 5)

    def refuses(name, content):
        raise OSError(number, os.strerror(number), "/secret/place")

    with monkeypatch.context() as broken:
        broken.setattr(default_storage, "save", refuses)
        attempt(generation)
    assert (generation.archive, generation.archive_error) == ("remote", code)
    assert words in generation.explanation.text
    assert "/secret/place" not in generation.explanation.text
    assert "An admin" in generation.explanation.advice
    assert generation.explanation.for_admins
    assert "/secret/place" in generation.events.last().text, "the story has the whole of it"
    assert attempt(generation).archive == "saved"


def test_a_partially_written_file_is_noticed(cdn, token, film, monkeypatch):
    cdn.at["/v.mp4"] = film
    generation = finished(f"{cdn.url}/v.mp4")
    with monkeypatch.context() as broken:
        broken.setattr(default_storage, "size", lambda name: len(film) - 1)
        attempt(generation)
    assert (generation.archive, generation.archive_error) == ("remote", "storage_away")
    assert not [name for name in storage.list_files() if name.endswith(".mp4")]


def test_the_result_of_a_save_is_recorded_once_the_database_is_back(cdn, token, film, monkeypatch):
    cdn.at["/v.mp4"] = film
    monkeypatch.setattr(saving.time, "sleep", lambda seconds: None)
    generation = finished(f"{cdn.url}/v.mp4")
    true, failures = Generation.saved, []

    def locked(self, **facts):
        if len(failures) < 3:
            failures.append(1)
            raise DatabaseError("database is locked")
        return true(self, **facts)

    monkeypatch.setattr(Generation, "saved", locked)
    assert attempt(generation).archive == "saved"
    assert generation.video_file.open("rb").read() == film


def test_files_are_kept_if_the_commit_that_seemed_to_fail_was_written(cdn, token, film, monkeypatch):
    cdn.at["/v.mp4"] = film
    monkeypatch.setattr(saving.time, "sleep", lambda seconds: None)
    generation = finished(f"{cdn.url}/v.mp4")
    true, lost = Generation.saved, []

    def loses_its_answer(self, **facts):
        done = true(self, **facts)
        if not lost:
            lost.append(1)
            raise DatabaseError("the connection was lost after the commit")
        return done

    monkeypatch.setattr(Generation, "saved", loses_its_answer)
    assert attempt(generation).archive == "saved"
    assert generation.video_file.open("rb").read() == film


def test_an_internal_error_is_reported_as_one_and_retried(cdn, token, film, monkeypatch):
    cdn.at["/v.mp4"] = film
    generation = finished(f"{cdn.url}/v.mp4")
    with monkeypatch.context() as broken:
        broken.setattr(saved_videos.decoding, "read_video", lambda *args, **kwargs: 1 / 0)
        attempt(generation)
    assert (generation.archive, generation.archive_error) == ("remote", "unexpected")
    assert "An error in Lumaweb" in generation.explanation.text
    assert attempt(generation).archive == "saved"


# ── Incomplete files of earlier versions ──────────────────────────────────────────────────────────────────────


def saved_incomplete(cdn, film: bytes, monkeypatch) -> Generation:
    """Save half a file, as an earlier version did: its first frame can be decoded and its hash is valid."""
    cdn.at["/v.mp4"] = film[: len(film) * 3 // 4]
    with monkeypatch.context() as earlier:
        earlier.setattr(saved_videos.decoding, "read_video", read_unchecked)
        generation = attempt(finished(f"{cdn.url}/v.mp4"))
    assert generation.archive == "saved"
    return generation


def verify(*words: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("verify_media", *words, stdout=out)
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0


def test_verify_media_finds_an_incomplete_file_and_repairs_it(stub, cdn, token, film, monkeypatch):
    generation = saved_incomplete(cdn, film, monkeypatch)
    before = generation.video_file.name
    said, status = verify()
    assert f"incomplete: {before} (video {generation.uuid}): The file is incomplete: it ends after" in said
    assert "incomplete: 1." in said
    assert status == 1
    assert Generation.objects.get().archive == "saved", "without --repair nothing changes"
    cdn.at["/v.mp4"] = film
    assert "To be saved again: 1." in verify("--repair")[0]
    assert attempt(generation).archive == "saved"
    assert generation.video_file.open("rb").read() == film
    sweep.remove_orphaned_files()
    assert not default_storage.exists(before), "the incomplete one is removed once there is a better one"
    assert not OrphanedFile.objects.exists()
    assert verify() == ("Videos good: 1, changed: 0, incomplete: 0. Files missing: 0, orphans: 0.\n", 0)


def test_an_incomplete_file_is_kept_if_no_better_one_is_available(client, stub, cdn, token, film, monkeypatch):
    generation = saved_incomplete(cdn, film, monkeypatch)
    before = generation.video_file.name
    del cdn.at["/v.mp4"]
    stub.answer = lambda path, body: (200, {})
    verify("--repair")
    Generation.objects.update(archive_attempts=saving.MAX_ATTEMPTS)
    attempt(generation)
    assert (generation.archive, generation.video_file.name, kinds(generation)[-1]) == (
        "saved", before, "kept_incomplete",
    )  # fmt: skip
    client.force_login(generation.member)
    assert "The end of this video is missing" in client.get(generation.get_absolute_url()).text
    assert client.get(reverse("video", args=[generation.uuid])).status_code == 200
    assert "incomplete: 1." in verify()[0]


def test_a_changed_file_is_not_mistaken_for_an_incomplete_one(stub, cdn, token, film, monkeypatch):
    generation = saved_incomplete(cdn, film, monkeypatch)
    with open(generation.video_file.path, "r+b") as file:
        file.write(b"\xff" * 100)
    del cdn.at["/v.mp4"]
    stub.answer = lambda path, body: (200, {})
    verify("--repair")
    Generation.objects.update(archive_attempts=saving.MAX_ATTEMPTS)
    assert attempt(generation).archive == "lost"


# ── Words ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_download_error_has_a_message(cdn, token):
    generation = finished(f"{cdn.url}/v.mp4")
    codes = {saving_failures.cause_of(error) for error in (OSError(errno.ENOSPC, "x"), OSError("x"), ValueError("x"))}
    assert codes == {"storage_full", "storage_away", "unexpected"}
    for code in CAUSES:
        generation.archive, generation.archive_error, generation.archive_message = "remote", code, "A sentence."
        assert generation.explanation.title == "Not saved yet"
        generation.archive = "lost"
        assert generation.explanation.title in ("Set aside", "The video could not be saved here")


def test_a_card_says_when_the_provider_s_link_expires(client, cdn, token, settings):
    settings.TIME_ZONE = "UTC"
    generation = attempt(finished(f"{cdn.url}/gone.mp4"))
    client.force_login(generation.member)
    until = generation.finished_at + timedelta(days=30)
    words = f"The provider&#x27;s link works until {until:%-d %B}."
    for page in ("/", generation.get_absolute_url()):
        text = client.get(page).text
        assert "Not saved yet" in text
        assert words in text
    Generation.objects.update(finished_at=timezone.now() - timedelta(days=31), version=99)
    assert "The provider&#x27;s link ended on" in client.get("/").text


def test_a_first_attempt_in_progress_is_not_shown_as_a_failure(client, cdn, token):
    generation = finished(f"{cdn.url}/v.mp4")
    client.force_login(generation.member)
    assert generation.explanation is None
    assert "link works until" in client.get(generation.get_absolute_url()).text
    assert "Save again" not in client.get("/").text


def test_only_admins_see_instructions_for_admins(client, cdn, token):
    generation = attempt(finished("https://films.example.com/v.mp4"))
    client.force_login(generation.member)
    assert "LUMAWEB_MEDIA_HOSTS" not in client.get("/").text
    client.force_login(an_admin())
    assert "LUMAWEB_MEDIA_HOSTS" in client.get("/").text


def test_the_author_or_an_admin_can_retry_the_save_at_once(client, stub, cdn, token, film):
    generation = attempt(finished("https://films.example.com/v.mp4"))
    Generation.objects.update(archive_at=timezone.now() + timedelta(hours=1))
    address = reverse("saving", args=[generation.uuid])
    client.force_login(a_member("ben"))
    assert "Save again" not in client.get(generation.get_absolute_url()).text
    assert client.post(address).status_code == 403
    client.force_login(generation.member)
    assert "Save again" in client.get(generation.get_absolute_url()).text
    assert client.get(address).status_code == 405
    assert client.post(address).status_code == 302
    generation.refresh_from_db()
    assert (generation.archive, generation.archive_error, generation.archive_attempts) == ("remote", "", 0)
    assert list(Generation.objects.worth_saving()) == [generation]
    assert generation.events.last().member == generation.member
    told = client.post(address, follow=True)
    assert "saved already, or being saved now" in told.text


# ── From outside, against the sandbox provider ────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    provider = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield provider
    provider.stop()


@pytest.mark.parametrize(
    ("mark", "code"),
    [
        ("half", "incomplete"),
        ("cut", "unreachable"),
        ("empty", "not_a_video"),
        ("webpage", "not_a_video"),
        ("login", "link_gone"),  # the sandbox redirects to a page that answers 404
        ("wrong_kind", "not_a_video"),
    ],
)
def test_a_file_served_incomplete_twice_is_saved_at_the_third_attempt(sandbox, mark, code):
    a_token(base_url=sandbox.url)
    task_id = sandbox.submit(f"[{mark}] a lake")
    sandbox.wait_for_response(task_id)
    generation = adoption.adopt(task_id, an_admin()).generation
    for tries in (1, 2):
        attempt(generation)
        assert (generation.archive, generation.archive_attempts, generation.archive_error) == ("remote", tries, code)
        assert not [name for name in storage.list_files() if name.startswith("videos/")]
    attempt(generation)
    assert generation.archive == "saved"
    assert generation.video_file.open("rb").read() == sandbox.http.get(generation.video_url).content


@pytest.mark.parametrize("mark", ["stale_link", "foreign_host"])
def test_a_broken_link_of_the_provider_is_replaced_at_once(sandbox, mark):
    a_token(base_url=sandbox.url)
    generation = finished_by_callback(sandbox, f"[{mark}] a lake")
    attempt(generation)
    assert (generation.archive, kinds(generation)[-2:]) == ("saved", ["relinked", "saved"])


def finished_by_callback(sandbox, prompt: str) -> Generation:
    """Finish a video with the link of its first result; a look-up would return another."""
    answer = sandbox.request_video(prompt).json()
    generation = a_generation(prompt=prompt)
    generation.claim()
    generation.record(running(answer["task_id"]), "answer")
    generation.record(a_result(answer["task_id"], video_url=answer["video_url"]), "callback")
    return generation


@pytest.mark.parametrize("mark", ["slow_thumbnail", "no_thumbnail"])
def test_a_missing_thumbnail_does_not_delay_the_video(sandbox, mark):
    a_token(base_url=sandbox.url)
    task_id = sandbox.submit(f"[{mark}] a lake")
    sandbox.wait_for_response(task_id)
    generation = adoption.adopt(task_id, an_admin()).generation
    began = time.monotonic()
    assert attempt(generation).archive == "saved"
    assert time.monotonic() - began < 4 * saved_videos.THUMBNAIL_SECONDS
    assert default_storage.exists(generation.poster_file.name)
