"""Fresh links for incomplete, forbidden and expired downloads."""

import uuid
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from videos.jobs import saving
from videos.media import download, saved_videos
from videos.models import Generation

from ...support.factories import a_generation, a_result
from ...support.media_host import HTML, a_jpeg, attempt, cuts, finished, gives, kinds, redirects_to

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]

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
    assert "Ask an admin" in generation.explanation.for_members
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
