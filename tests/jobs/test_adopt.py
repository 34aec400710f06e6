"""Adopt tasks of the provider that no row has."""

import uuid

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from videos import provider, tasks
from videos.jobs import adoption, polling
from videos.models import ApiToken, Event, Generation, TemporaryLink

from ..sandbox.process import Sandbox
from ..support.factories import a_generation, a_member, a_token, an_admin
from ..support.finished_videos import a_task, a_video, finished, kinds
from ..support.stub_provider import StubProvider

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]


def test_a_finished_task_is_adopted_once_and_saved(stub, token, mp4):
    task_id = str(uuid.uuid4())
    stub.files["/v.mp4"] = mp4
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


def test_a_running_task_is_adopted_and_polled_but_never_sent(stub, token):
    task_id = str(uuid.uuid4())
    stub.answer = lambda path, body: (200, a_task(task_id))
    generation = adoption.adopt(task_id, an_admin()).generation
    token.refresh_from_db()
    assert (generation.state, token.in_flight) == ("processing", 1)
    tasks.drain()
    assert all(post["action"] == "retrieve" for post in stub.posts)
    stub.answer = lambda path, body: (200, {"items": [a_task(task_id, a_video(stub))], "count": 1})
    Generation.objects.update(next_poll_at=timezone.now())
    polling.poll()
    generation.refresh_from_db()
    token.refresh_from_db()
    assert (generation.state, token.in_flight) == ("completed", 0)


def test_the_token_of_an_adopted_task_is_found_among_the_enabled_ones(stub, token):
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
def test_an_invalid_task_id_is_not_looked_up(stub, token, pasted):
    with pytest.raises(adoption.NotAdopted, match="not a task id"):
        adoption.adopt(pasted, an_admin())
    assert not stub.posts


def test_an_unknown_task_an_unreachable_provider_and_a_missing_token_are_distinguished(stub, token):
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
def test_a_task_submitted_for_an_existing_row_is_adopted_by_that_row(stub, token, state):
    """The echoed callback URL identifies the row: no second row is created and nothing remains to be sent."""
    generation = a_generation()
    if state in ("held", "canceled"):
        Generation.objects.hold_after_restore()
        if state == "canceled":
            generation.cancel(generation.member)
    else:
        generation.claim()
        generation.mark_interrupted()
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


def test_secret_urls_of_lumaweb_in_the_echo_are_not_stored(stub, token):
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


def test_a_video_made_outside_lumaweb_is_adopted_from_the_sandbox(tmp_path):
    sandbox = Sandbox(tmp_path, scale=0.25)
    try:
        a_token(base_url=sandbox.url)
        task_id = sandbox.request_video("a heron at dusk", aspect_ratio="1:1", **{"async": True}).json()["task_id"]
        sandbox.wait_for_response(task_id)
        generation = adoption.adopt(task_id, an_admin()).generation
        tasks.archive(generation.pk)
        generation.refresh_from_db()
        assert (generation.prompt, generation.aspect_ratio) == ("a heron at dusk", "1:1")
        assert (generation.state, generation.archive) == ("completed", "saved")
        assert len(sandbox.ledger()) == 1, "adopting sends nothing that costs"
    finally:
        sandbox.stop()


def test_an_unexpected_echo_of_a_task_is_accepted():
    for echo in (None, [], "x", {}, {"prompt": 3, "timeout": "x", "aspect_ratio": [], "loop": "yes", "action": {}}):
        asked = provider.echoed_request(echo)
        assert asked is None or asked == provider.Request()


def test_only_admins_can_adopt_in_the_django_admin(client, stub, token):
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
    assert "in the gallery now: completed" in told.text
    assert reverse("admin:videos_generation_change", args=[generation.pk]) in told.text
    assert "already" in client.post(page, {"task_id": task_id}, follow=True).text
    assert generation.uuid.hex and client.get(generation.get_absolute_url()).status_code == 200


def test_the_adopt_command_adopts_a_task(stub, token, capsys):
    with pytest.raises(CommandError, match="no admin"):
        call_command("adopt", str(uuid.uuid4()))
    an_admin()
    stub.answer = lambda path, body: (200, a_task(body["id"], a_video(stub)))
    call_command("adopt", str(uuid.uuid4()))
    assert "in the gallery now" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no active member"):
        call_command("adopt", str(uuid.uuid4()), "--member", "nobody")
