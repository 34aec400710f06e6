"""Show an equal video before the team pays for it again."""

import importlib
import re
import uuid

import pytest
from django.apps import apps

from videos.models import Generation, Submission
from videos.models.generation.fingerprint import fingerprint_of, normalised

from ..support.factories import a_generation, a_member, a_result, a_token

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "video-form"}
FORM = {
    "form": "1",
    "mode": "text",
    "prompt": "A heron over still water",
    "aspect_ratio": "16:9",
    "enhancement": "true",
}


def made(by=None, **settings) -> Generation:
    """Create a finished video of Ben's."""
    if settings.get("action") != "extend":
        settings = {"prompt": FORM["prompt"]} | settings
    a_token(f"sandbox-{uuid.uuid4()}")
    row = a_generation(by or a_member("ben"), **settings)
    row.claim()
    row.record(a_result(f"task-{row.pk}", video_id=f"video-{row.pk}"), "answer")
    return row


def send(client, **fields):
    return client.post("/generations/", FORM | {"submission_key": str(uuid.uuid4())} | fields, headers=HTMX)


def test_an_equal_video_of_a_teammate_is_shown_and_nothing_is_created(client, ada):
    video = made()
    answer = send(client)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Already made" in text and "Use this" in text and "Make another" in text
    assert f'href="/generations/{video.uuid}/"' in text and "By ben" in text
    assert FORM["prompt"] in text
    assert Generation.objects.count() == 1


def test_make_another_creates_one_video(client, ada):
    made()
    key = re.search(r'name="submission_key" value="([^"]+)"', send(client).content.decode()).group(1)
    for _ in range(2):
        assert send(client, submission_key=key, again="1").status_code == 200
    assert Generation.objects.filter(member=ada).count() == 1


def test_without_javascript_the_page_asks_too(client, ada):
    made()
    answer = client.post("/generations/", FORM)
    assert answer.status_code == 422
    assert "Make another" in answer.content.decode()
    assert client.post("/generations/", FORM | {"again": "1"}).status_code == 302


DIFFERENT = {
    "the prompt": {"prompt": "A heron over wild water"},
    "the shape": {"aspect_ratio": "9:16"},
    "a switch": {"loop": "true"},
    "the other switch": {"enhancement": ""},
    "a frame": {"mode": "frames", "start_image_url": "https://example.com/a.jpg"},
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_different_request_is_sent_at_once(client, ada, what):
    made()
    assert send(client, **DIFFERENT[what]).status_code == 200


SAME = {
    "other case": {"prompt": "a HERON over still water"},
    "other spaces": {"prompt": "  A heron\n\n over   still water "},
    "full width": {"prompt": "Ａ heron over still water"},
    "another timeout": {"timeout": "600"},
    "more takes": {"count": "4"},
}


@pytest.mark.parametrize("what", SAME)
def test_equal_requests_are_found(client, ada, what):
    made()
    assert send(client, **SAME[what]).status_code == 422


def test_requests_without_a_video_are_not_offered(client, ada):
    a_generation(a_member("cleo"), prompt=FORM["prompt"])
    trashed = made()
    trashed.trash(trashed.member)
    assert send(client).status_code == 200


def test_a_permanently_deleted_video_leaves_no_prompt():
    video = made()
    video.trash(video.member)
    video.purge(video.member)
    assert video.fingerprint == ""


def test_a_script_is_not_asked_to_confirm(client, ada):
    made()
    assert client.post("/generations/", {"prompt": FORM["prompt"]}).status_code == 302
    assert Generation.objects.filter(member=ada).count() == 1


def test_a_resubmitted_form_is_no_new_request(client, ada):
    key = str(uuid.uuid4())
    assert send(client, submission_key=key).status_code == 200
    row = Generation.objects.get()
    a_token()
    row.claim()
    row.record(a_result(), "answer")
    assert send(client, submission_key=key).status_code == 200
    assert Generation.objects.count() == Submission.objects.count() == 1


def test_of_multiple_prompts_those_with_a_video_are_shown(client, ada):
    video = made()
    answer = send(client, several="1", prompt="A fox\nA heron over still water\nA hare")
    text = answer.content.decode()
    assert answer.status_code == 422
    assert text.count("Use this") == 1 and str(video.uuid) in text
    assert not Generation.objects.filter(member=ada).exists()


def test_an_equal_extension_of_the_same_video_is_found(client, ada):
    parent = made()
    extension = {"action": "extend", "prompt": "It lands", "source_video_id": parent.video_id, "parent": parent}
    made(a_member("cleo"), **extension)
    form = {"mode": "extend", "prompt": "It lands", "video_id": parent.video_id}
    assert send(client, **form).status_code == 422
    assert send(client, **form | {"prompt": "It rises"}).status_code == 200


def test_videos_of_an_earlier_version_are_found(client, ada):
    video = made()
    known = Generation.objects.get().fingerprint
    Generation.objects.update(fingerprint="")
    importlib.import_module("videos.migrations.0008_fingerprints").know_the_requests(apps, None)
    video.refresh_from_db()
    assert video.fingerprint == known != ""


@pytest.mark.parametrize(("typed", "known"), [("  A\tB\n", "a b"), ("Ｆｏｘ", "fox"), ("Straße", "strasse"), ("", "")])
def test_prompts_are_compared_without_differences_in_spacing(typed, known):
    assert normalised(typed) == known


def test_a_fingerprint_fills_missing_fields_with_their_defaults():
    assert fingerprint_of({"prompt": "x"}) == fingerprint_of(
        {"prompt": "x", "action": "generate", "aspect_ratio": "16:9", "enhancement": True, "loop": False}
    )
