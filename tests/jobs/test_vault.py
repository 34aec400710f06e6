"""What is kept: files that are verified, links that are renewed, tasks that are adopted, rows that are held."""

import io
import os
import threading
import time
import uuid

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from django_q.brokers import get_broker

from videos import provider, tasks
from videos.jobs import adoption, polling, queue, saving, saving_worker, sweep
from videos.media import download, saved_videos
from videos.models import ApiToken, Event, Generation, Heartbeat, TemporaryLink

from ..sandbox.process import Sandbox
from ..support.factories import a_generation, a_member, a_result, a_token, an_admin, running
from .test_submit import StubProvider, a_film

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]


@pytest.fixture
def film(tmp_path):
    return a_film(tmp_path)


def finished(stub, path="/v.mp4") -> Generation:
    generation = a_generation()
    generation.claim()
    task_id = str(uuid.uuid4())
    generation.record(running(task_id), "answer")
    generation.record(a_result(task_id, video_url=stub.url + path), "callback")
    return generation


def saved(stub, film) -> Generation:
    stub.files["/v.mp4"] = film
    generation = finished(stub)
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved"
    return generation


def a_task(task_id: str, response: dict | None = None, **request) -> dict:
    document = {"id": task_id, "created_at": 1.0, "request": {"action": "generate", "prompt": "a heron"} | request}
    return document | ({"finished_at": 2.0, "response": response} if response else {})


def a_video(stub, **more) -> dict:
    return {"success": True, "state": "completed", "video_id": "video-9", "video_url": f"{stub.url}/v.mp4"} | more


def kinds(generation) -> list[str]:
    return list(generation.events.values_list("kind", flat=True))


# ── Verifying ─────────────────────────────────────────────────────────────────────────────────────────────────


def verify(*words: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("verify_media", *words, stdout=out)
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0


def test_good_media_are_good(stub, token, film):
    saved(stub, film)
    assert verify() == ("Videos good: 1, changed: 0, incomplete: 0. Files missing: 0, orphans: 0.\n", 0)


def test_a_changed_byte_is_found(stub, token, film):
    generation = saved(stub, film)
    with open(generation.video_file.path, "r+b") as file:
        file.seek(100)
        file.write(b"\xff")
    said, status = verify()
    assert f"changed: {generation.video_file.name} (video {generation.uuid})" in said
    assert status == 1
    generation.refresh_from_db()
    assert generation.archive == "saved", "without --repair nothing changes"


@pytest.mark.parametrize("kind", ["video_file", "thumbnail_file", "poster_file"])
def test_a_missing_file_is_found(stub, token, film, kind):
    name = getattr(saved(stub, film), kind).name
    default_storage.delete(name)
    said, status = verify()
    assert f"missing: {name}" in said
    assert status == 1


def test_a_file_nobody_names_is_found_unless_it_is_just_coming(stub, token, film):
    saved(stub, film)
    default_storage.save("videos/ab/left-over.mp4", ContentFile(b"x"))
    assert verify()[1] == 0
    old = time.time() - 7200
    os.utime(default_storage.path("videos/ab/left-over.mp4"), (old, old))
    said, status = verify()
    assert "orphan: videos/ab/left-over.mp4" in said
    assert status == 1


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_repair_saves_it_again(stub, token, film, harm):
    generation = saved(stub, film)
    default_storage.delete(generation.video_file.name)
    if harm == "changed":
        default_storage.save(generation.video_file.name, ContentFile(b"other"))
    said, status = verify("--repair")
    assert (status, "To be saved again: 1." in said) == (1, True)
    generation.refresh_from_db()
    assert (generation.archive, generation.events.last().kind) == ("remote", "unsaved")
    assert list(Generation.objects.worth_saving()) == [generation], "the sweep finds it"
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved"
    assert generation.video_file.open("rb").read() == film


def test_a_repair_does_not_touch_what_was_saved_anew_meanwhile(stub, token, film):
    seen = saved(stub, film)
    Generation.objects.filter(pk=seen.pk).update(sha256="0" * 64)
    assert not seen.unsave("The file is changed.")


# ── Fresh links ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_expired_link_is_renewed_and_the_video_saved(stub, token, film):
    generation = finished(stub, "/expired.mp4")
    stub.files["/v.mp4"] = film
    stub.answer = lambda path, body: (200, a_task(generation.task_id, a_video(stub)))
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert (generation.archive, generation.video_url) == ("saved", f"{stub.url}/v.mp4")
    assert kinds(generation)[-2:] == ["relinked", "saved"]
    assert stub.posts == [{"action": "retrieve", "id": generation.task_id}]


@pytest.mark.parametrize("answer", [(200, {}), (500, {}), (200, None)])
def test_without_a_fresh_link_saving_is_tried_again_for_days(stub, token, answer):
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


def test_the_waits_between_the_tries_add_up_to_days_and_are_not_all_alike(stub, token):
    generation = finished(stub, "/expired.mp4")
    waits = []
    for tries in range(saving.MAX_ATTEMPTS):
        Generation.objects.update(archive_at=timezone.now(), archive_attempts=tries)
        tasks.archive(generation.pk)
        generation.refresh_from_db()
        waits.append((generation.archive_at - timezone.now()).total_seconds())
    assert 3 * 86400 < sum(waits) < 8 * 86400
    assert len({round(wait) for wait in waits[-8:]}) > 1


# ── Adopting ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_finished_task_is_adopted_once_and_saved(stub, token, film):
    task_id = str(uuid.uuid4())
    stub.files["/v.mp4"] = film
    secret = "https://elsewhere.example.com/callbacks/luma/secret/"
    stub.answer = lambda path, body: (
        200,
        a_task(task_id, a_video(stub), aspect_ratio="9:16", loop=True, timeout=90, callback_url=secret),
    )
    admin = an_admin()
    adopted = adoption.adopt(f"  {task_id.upper()}\n", admin)
    generation = adopted.generation
    assert (generation.state, generation.task_id, generation.token, generation.member) == (
        "completed", task_id, token, admin,
    )  # fmt: skip
    assert (generation.prompt, generation.aspect_ratio, generation.loop, generation.timeout) == (
        "a heron", "9:16", True, 90,
    )  # fmt: skip
    assert kinds(generation) == ["adopted", "completed"]
    assert generation.events.first().member == admin
    stored = str(Generation.objects.values().get()) + str(list(Event.objects.values()))
    assert secret not in stored, "a callback address is a secret"
    again = adoption.adopt(task_id, a_member("ben"))
    assert again.generation == generation
    assert "already" in again.message
    assert Generation.objects.count() == 1
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved"
    assert len(stub.posts) == 1, "it was looked up, and nothing was sent"


def test_a_running_task_is_adopted_and_asked_for_but_never_sent(stub, token):
    task_id = str(uuid.uuid4())
    stub.answer = lambda path, body: (200, a_task(task_id))
    generation = adoption.adopt(task_id, an_admin()).generation
    token.refresh_from_db()
    assert (generation.state, token.in_flight) == ("processing", 1)
    tasks.drain()
    assert all(post["action"] == "retrieve" for post in stub.posts)
    stub.answer = lambda path, body: (200, {"items": [a_task(task_id, a_video(stub))], "count": 1})
    Generation.objects.update(ask_at=timezone.now())
    polling.poll()
    generation.refresh_from_db()
    token.refresh_from_db()
    assert (generation.state, token.in_flight) == ("completed", 0)


def test_the_token_that_made_it_is_found_among_the_enabled(stub, token):
    other = StubProvider()
    off = StubProvider()
    theirs = a_token("theirs", base_url=other.url, priority=20)
    a_token("off", base_url=off.url, priority=1, enabled=False)
    stub.answer = lambda path, body: (200, {})
    other.answer = lambda path, body: (200, a_task(body["id"], a_video(other)))
    generation = adoption.adopt(str(uuid.uuid4()), an_admin()).generation
    other.shutdown()
    off.shutdown()
    assert generation.token == theirs
    assert len(stub.posts) == 1
    assert not off.posts


@pytest.mark.parametrize(
    "pasted", ["", "x", "https://example.com/task", "a b c d e f", "<script>", "é" * 36, "a" * 201]
)
def test_what_is_no_task_id_is_not_looked_up(stub, token, pasted):
    with pytest.raises(adoption.NotAdopted, match="not a task id"):
        adoption.adopt(pasted, an_admin())
    assert not stub.posts


def test_an_unknown_task_a_silent_provider_and_no_token_are_told_apart(stub, token):
    admin, task_id = an_admin(), str(uuid.uuid4())
    stub.answer = lambda path, body: (200, {})
    with pytest.raises(adoption.NotAdopted, match="No enabled API token knows this task"):
        adoption.adopt(task_id, admin)
    stub.answer = lambda path, body: (500, {})
    with pytest.raises(adoption.NotAdopted, match=r"“test” .* Try again later"):
        adoption.adopt(task_id, admin)
    ApiToken.objects.update(enabled=False)
    with pytest.raises(adoption.NotAdopted, match="no enabled API token"):
        adoption.adopt(task_id, admin)
    assert not Generation.objects.exists()


@pytest.mark.parametrize("state", ["unconfirmed", "dismissed", "held", "canceled"])
def test_a_task_that_was_sent_for_one_of_our_rows_goes_to_that_row(stub, token, state):
    """The provider's echo of our callback address tells whose it is: no second row, and nothing left to be sent."""
    generation = a_generation()
    if state in ("held", "canceled"):
        Generation.objects.hold_after_restore()
        if state == "canceled":
            generation.cancel(generation.member)
    else:
        generation.claim()
        generation.interrupted()
        if state == "dismissed":
            generation.dismiss(generation.member)
    task_id = str(uuid.uuid4())
    callback = f"https://films.example.com{reverse('callback', args=[generation.uuid, 'some-key'])}"
    stub.answer = lambda path, body: (200, a_task(task_id, callback_url=callback))
    adopted = adoption.adopt(task_id, an_admin())
    generation.refresh_from_db()
    assert adopted.generation == generation
    assert (Generation.objects.count(), generation.state, generation.task_id) == (1, "processing", task_id)
    assert not generation.release(an_admin("another"))
    tasks.drain()
    assert all(post["action"] == "retrieve" for post in stub.posts)
    token.refresh_from_db()
    assert token.in_flight == 1


def test_our_own_secret_addresses_in_the_echo_are_not_stored(stub, token):
    key = "k" * 43
    echo = {
        "action": "extend",
        "start_image_url": f"https://films.example.com/frames/{key}.jpg",
        "end_image_url": "https://pictures.example.com/end.jpg",
        "video_url": f"https://films.example.com/clips/{key}.mp4",
    }
    stub.answer = lambda path, body: (200, a_task(body["id"], a_video(stub), **echo))
    generation = adoption.adopt(str(uuid.uuid4()), an_admin()).generation
    assert (generation.start_image_url, generation.source_video_url) == ("", "")
    assert generation.end_image_url == "https://pictures.example.com/end.jpg"
    assert not TemporaryLink.objects.exists()


def test_an_adopted_extension_finds_its_parent(stub, token):
    parent = finished(stub)
    stub.answer = lambda path, body: (
        200,
        a_task(body["id"], a_video(stub), action="extend", video_id=parent.video_id),
    )
    generation = adoption.adopt(str(uuid.uuid4()), an_admin()).generation
    assert (generation.action, generation.parent, generation.depth) == ("extend", parent, 1)


def test_a_video_paid_for_elsewhere_is_adopted_from_the_sandbox_provider(tmp_path):
    sandbox = Sandbox(tmp_path, scale=0.25)
    try:
        a_token(base_url=sandbox.url)
        task_id = sandbox.make("a heron at dusk", aspect_ratio="1:1", **{"async": True}).json()["task_id"]
        sandbox.finished(task_id)
        generation = adoption.adopt(task_id, an_admin()).generation
        tasks.archive(generation.pk)
        generation.refresh_from_db()
        assert (generation.prompt, generation.aspect_ratio) == ("a heron at dusk", "1:1")
        assert (generation.state, generation.archive) == ("completed", "saved")
        assert len(sandbox.ledger()) == 1, "adopting sends nothing that costs"
    finally:
        sandbox.stop()


def test_a_task_s_echo_is_read_liberally():
    for echo in (None, [], "x", {}, {"prompt": 3, "timeout": "x", "aspect_ratio": [], "loop": "yes", "action": {}}):
        asked = provider.echoed_request(echo)
        assert asked is None or asked == provider.Request()


def test_an_admin_adopts_in_the_admin_and_a_member_does_not(client, stub, token):
    task_id, page = str(uuid.uuid4()), reverse("admin:videos_generation_adopt")
    stub.answer = lambda path, body: (200, a_task(task_id, a_video(stub)))
    client.force_login(a_member(is_staff=True))
    assert client.post(page, {"task_id": task_id}).status_code == 403
    client.force_login(an_admin())
    assert "Adopt a task" in client.get(reverse("admin:videos_generation_changelist")).text
    refused = client.post(page, {"task_id": "?"})
    assert (refused.status_code, "not a task id" in refused.text) == (422, True)
    told = client.post(page, {"task_id": task_id}, follow=True)
    generation = Generation.objects.get()
    assert "part of the history now: completed" in told.text
    assert reverse("admin:videos_generation_change", args=[generation.pk]) in told.text
    assert "already" in client.post(page, {"task_id": task_id}, follow=True).text
    assert generation.uuid.hex and client.get(generation.get_absolute_url()).status_code == 200


def test_adopt_is_a_command_too(stub, token, capsys):
    with pytest.raises(CommandError, match="no admin"):
        call_command("adopt", str(uuid.uuid4()))
    an_admin()
    stub.answer = lambda path, body: (200, a_task(body["id"], a_video(stub)))
    call_command("adopt", str(uuid.uuid4()))
    assert "part of the history now" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no active member"):
        call_command("adopt", str(uuid.uuid4()), "--member", "nobody")


# ── Held ──────────────────────────────────────────────────────────────────────────────────────


def held(token, count: int = 1) -> list[Generation]:
    for number in range(count):
        a_generation(prompt=f"number {number}")
    assert Generation.objects.hold_after_restore() == (count, 0)
    return list(Generation.objects.order_by("pk"))


def test_what_is_held_is_not_sent(stub, token):
    (generation,) = held(token)
    tasks.drain()
    sweep.sweep()
    assert generation.claim() is None
    generation.refresh_from_db()
    assert (generation.state, stub.posts, kinds(generation)[-1]) == ("queued", [], "held")
    assert "Held" in generation.news.title
    assert "Ask an admin to release it." in generation.news.ask


def test_what_was_being_sent_is_unconfirmed_and_gives_its_slot_back(stub, token):
    generation, other = a_generation(), a_generation()
    generation.claim()
    other.claim()
    other.record(running(), "answer")
    ApiToken.objects.update(in_flight=7)
    version = generation.version
    assert Generation.objects.hold_after_restore() == (0, 1)
    generation.refresh_from_db()
    token.refresh_from_db()
    assert (generation.state, generation.error_code, token.in_flight) == ("unconfirmed", "interrupted", 1)
    assert generation.version == version + 1
    assert generation.events.last().text == "It was being sent when the backup was made."
    tasks.drain()
    assert not stub.posts


def test_a_released_row_is_sent_once(stub, token):
    first, second = held(token, 2)
    assert first.release(an_admin())
    assert not first.release(an_admin("another")), "only what is held can be released"
    tasks.drain()
    second.refresh_from_db()
    assert [post["prompt"] for post in stub.posts] == ["number 0"]
    assert second.held_at


def test_a_held_row_can_be_canceled(token):
    (generation,) = held(token)
    assert generation.cancel(generation.member)
    assert not generation.release(generation.member)


def test_the_card_of_a_held_row_says_so(client, token):
    (generation,) = held(token)
    client.force_login(generation.member)
    for page in ("/", generation.get_absolute_url()):
        text = client.get(page).text
        assert "Held" in text
        assert "Ask an admin to release it." in text


def test_an_admin_releases_row_by_row_and_all(client, stub, token):
    rows = held(token, 4)
    changelist = reverse("admin:videos_generation_changelist")
    client.force_login(a_member("staff", is_staff=True))
    assert client.post(reverse("admin:videos_generation_release")).status_code == 403
    client.force_login(an_admin())
    assert "4 held after a restore" in client.get(changelist).text
    told = client.post(changelist, {"action": "release", "_selected_action": [rows[2].pk]}, follow=True)
    assert "1 released" in told.text
    assert client.get(reverse("admin:videos_generation_release")).status_code == 403, "a look changes nothing"
    tasks.drain()
    assert [post["prompt"] for post in stub.posts] == ["number 2"]
    told = client.post(reverse("admin:videos_generation_release"), follow=True)
    assert "3 released" in told.text
    assert "held after a restore:" not in told.text
    tasks.drain()
    assert sorted(post["prompt"] for post in stub.posts) == [f"number {number}" for number in range(4)]
    assert rows[0].events.get(kind="released").member.username == "root"


def test_a_saving_that_takes_long_after_its_download_is_known_to_go_on(monkeypatch):
    # Into a bucket over a slow line, say: nobody else takes it, and the watchdog sees a living worker.
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


def test_what_a_killed_saving_left_behind_is_removed_by_a_later_one(settings, tmp_path):
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


def test_while_nobody_saves_the_queue_does_not_grow_with_each_sweep(monkeypatch):
    monkeypatch.setattr(sweep, "MAX_QUEUED_SAVES", 5)
    get_broker(queue.MEDIA_CLUSTER).purge_queue()  # Redis keeps what other tests have called for
    for _ in range(8):
        row = a_generation(state="completed", archive="remote", video_url="https://x/y")
        Generation.objects.filter(pk=row.pk).update(archive_at=timezone.now())
    for _ in range(4):
        sweep.enqueue_saves()
    assert queue.queue_sizes()[queue.MEDIA_CLUSTER] == 5
