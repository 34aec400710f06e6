"""The form over HTTP: prefilled fields, multiple prompts, code and uploaded frames."""

import re
import uuid

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from videos import frames
from videos.jobs import sweep
from videos.media.decoding import client as decoding
from videos.media.decoding import slots
from videos.models import Frame, Generation, OrphanedFile, Submission
from videos.models import frame as frame_model

from ..support.factories import a_generation, a_member, a_token
from ..support.form_requests import a_picture, asked, completed, upload

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
FORM = HTMX | {"HX-Target": "video-form"}
CODE = HTMX | {"HX-Target": "request-code"}


@pytest.fixture
def token():
    return a_token(base_url="http://127.0.0.1:8801")


def a_frame(client) -> dict:
    answer = client.post("/uploads/", {"image": upload(a_picture())})
    assert answer.status_code == 200, answer.content
    return answer.json()


def value(text: str, name: str) -> str:
    return re.search(rf'name="{name}" value="([^"]*)"', text).group(1)


def chosen_mode(text: str) -> str:
    return re.search(r'name="mode" value="(\w+)" checked', text).group(1)


def prompt_of(text: str) -> str:
    return re.search(r"<textarea[^>]*>\n(.*?)</textarea>", text, re.DOTALL).group(1)


# ── What is put into it ───────────────────────────────────────────────────────────────────────────────────────


def test_frames_and_a_prompt_in_the_query_string_fill_the_form(client, ada, token):
    start, end = a_frame(client)["frame"], a_frame(client)["frame"]
    text = client.get(
        "/", {"mode": "frames", "start_frame": start, "end_frame": end, "prompt": "a fox"}
    ).content.decode()
    assert (value(text, "start_frame"), value(text, "end_frame")) == (start, end)
    assert chosen_mode(text) == "frames"
    assert prompt_of(text) == "a fox"
    assert 'data-given="' in text


def test_an_unknown_frame_and_a_mode_beside_filters_are_ignored(client, ada, token):
    for query in ({"start_frame": uuid.uuid4()}, {"start_frame": "garbage"}, {"mode": "frames"}, {"mode": "extend"}):
        text = client.get("/", query).content.decode()
        assert chosen_mode(text) == "text"
        assert 'data-given=""' in text


def test_a_prompt_is_used_without_the_other_settings(client, ada):
    source = a_generation(ada, prompt="a heron", aspect_ratio="9:16", loop=True)
    words = client.get(f"/generations/{source.uuid}/reuse/?what=prompt", headers=FORM).content.decode()
    assert prompt_of(words) == "a heron"
    assert 'value="16:9" checked' in words
    all_of_it = client.get(f"/generations/{source.uuid}/reuse/", headers=FORM).content.decode()
    assert prompt_of(all_of_it) == "a heron"
    assert 'value="9:16" checked' in all_of_it


def test_earlier_prompts_are_the_member_s_own_unique_and_newest_first(client, ada):
    for prompt in ("first", "second", "first"):
        a_generation(ada, prompt=prompt)
    a_generation(a_member("ben"), prompt="of a teammate")
    text = client.get("/prompts/", headers=HTMX).content.decode()
    assert re.findall(r">([^<]+)</a>", text) == ["first", "second"]
    assert "<html" in client.get("/prompts/").content.decode()


# ── Multiple prompts ────────────────────────────────────────────────────────────────────────────────────────────


def test_each_line_is_a_prompt_with_its_takes_and_all_cards_are_returned(client, ada):
    answer = client.post(
        "/generations/", asked(several="1", prompt="a fox\r\n\r\n  a heron \na fox", count="2"), headers=HTMX
    )
    assert answer.status_code == 200
    made = Generation.objects.order_by("pk")
    assert list(made.values_list("prompt", "take")) == [
        ("a fox", 1), ("a fox", 2), ("a heron", 1), ("a heron", 2), ("a fox", 1), ("a fox", 2),
    ]  # fmt: skip
    assert Submission.objects.count() == 3
    assert all(f'id="generation-{row.uuid}"' in answer.content.decode() for row in made)


def test_resubmitting_multiple_prompts_creates_them_once(client, ada):
    key = str(uuid.uuid4())
    for _ in range(2):
        client.post("/generations/", asked(several="1", prompt="a fox\na heron\na fox", submission_key=key))
    assert Generation.objects.count() == 3
    client.post("/generations/", asked(several="1", prompt="a fox\na heron\nan owl", submission_key=key))
    assert Generation.objects.count() == 4


def test_lines_are_one_prompt_unless_multiple_prompts_is_on(client, ada):
    client.post("/generations/", asked(prompt="a fox\na heron"))
    assert Generation.objects.get().prompt == "a fox\na heron"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prompt": " \n \n"}, "Describe what the video should show."),
        ({"prompt": "\n".join(["a fox"] * 51)}, "These are 51 prompts; the limit is 50"),
        ({"prompt": "a fox\n" + "x" * 5001}, "Prompt 2 has 5,001 characters"),
        ({"prompt": "\n".join(["a fox"] * 26), "count": "4"}, "are 104 videos; the limit is 100"),
        ({"prompt": "a fox\na\x07b"}, "control characters"),
    ],
)
def test_too_many_or_invalid_prompts_create_nothing_and_stay_in_the_form(client, ada, fields, words):
    answer = client.post("/generations/", asked(several="1", **fields), headers=HTMX)
    assert answer.status_code == 422
    text = answer.content.decode()
    assert words in text
    assert re.search(r'name="several" value="1" checked', text)
    assert prompt_of(text).count("\n") == fields["prompt"].count("\n")
    assert not Generation.objects.exists()


def test_fifty_prompts_with_two_takes_are_allowed(client, ada):
    lines = "\n".join(f"number {number} " + "x" * 400 for number in range(50))
    assert client.post("/generations/", asked(several="1", prompt=lines, count="2")).status_code == 302
    assert Generation.objects.count() == 100


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "1 video"),
        ({"count": "2"}, "2 videos"),
        ({"several": "1", "prompt": "a\nb\n\nc", "count": "2"}, "6 videos: 3 prompts × 2 takes"),
        ({"several": "1", "prompt": "a\nb"}, "2 videos"),
    ],
)
def test_the_form_shows_how_many_videos_it_requests(client, ada, fields, words):
    text = client.post("/generations/", asked(timeout="1") | fields, headers=HTMX).content.decode()
    assert f'<span class="cost-asked">{words}</span>' in text


# ── Its code ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_code_shows_the_current_form_and_submits_nothing(client, ada, token):
    fields = asked(prompt="a fox", aspect_ratio="9:16", submission_key=uuid.uuid4(), form="1", mode="text")
    text = client.post("/code/", fields, headers=CODE).content.decode()
    assert "a fox" in text
    assert "9:16" in text
    assert "<html" not in text
    assert 'id="request-code-curl"' in text
    assert "sandbox" not in text
    assert "<html" in client.post("/code/", fields).content.decode()
    assert not Generation.objects.exists()


def test_the_code_for_multiple_prompts_shows_the_first_and_says_so(client, ada):
    text = client.post("/code/", asked(several="1", prompt="a fox\na heron"), headers=CODE).content.decode()
    assert "a fox" in text
    assert "a heron" not in text
    assert "first of 2 prompts" in text


@pytest.mark.parametrize(
    "fields", [{"prompt": ""}, {"timeout": "soon"}, {"count": "x"}, {"start_image_url": "ftp://x"}]
)
def test_the_code_of_an_incomplete_form_names_the_missing_fields(client, ada, fields):
    answer = client.post("/code/", asked(mode="frames") | fields, headers=CODE)
    assert answer.status_code == 200
    assert 'class="note"' in answer.content.decode()


def test_the_code_has_a_placeholder_for_the_url_of_an_uploaded_frame(client, ada, token):
    start = a_frame(client)["frame"]
    text = client.post("/code/", asked(mode="frames", start_frame=start), headers=CODE).content.decode()
    assert "your-frame.jpg" in text
    assert start not in text


# ── Frames ahead of it ────────────────────────────────────────────────────────────────────────────────────────


def test_a_frame_is_stored_before_the_form_is_submitted(client, ada, token):
    made = a_frame(client)
    assert (made["width"], made["height"]) == (64, 48)
    assert client.get(made["url"]).status_code == 200
    client.post("/generations/", asked(mode="frames", start_frame=made["frame"]))
    assert str(Generation.objects.get().start_frame.uuid) == made["frame"]


def test_a_file_that_is_not_a_picture_is_refused_with_a_message(client, ada, token):
    for fields in ({"image": upload(b"this is no picture")}, {"image": upload(b"")}, {}):
        answer = client.post("/uploads/", fields)
        assert answer.status_code == 422
        assert "picture" in answer.json()["error"]
    assert not Frame.objects.exists()


def test_an_upload_is_asked_to_retry_while_the_decoder_is_busy_and_the_form_keeps_its_fields(
    client, ada, token, monkeypatch
):
    monkeypatch.setattr(decoding, "MEMBER_WAIT", 0.1)
    with slots.all_of_them(settings.DATA_DIR, 0):
        ahead = client.post("/uploads/", {"image": upload(a_picture())})
        form = client.post("/generations/", asked(prompt="Typed with care", start_image=upload(a_picture())))
    assert (ahead.status_code, ahead["Retry-After"]) == (503, "5")
    assert ahead.json()["error"] == slots.BUSY
    assert form.status_code == 422
    assert slots.BUSY in form.text
    assert "Typed with care</textarea>" in form.text
    assert not Generation.objects.exists()
    assert client.post("/uploads/", {"image": upload(a_picture())}).status_code == 200


def test_a_frame_is_not_extracted_while_the_decoder_is_busy(client, ada, token, monkeypatch):
    monkeypatch.setattr(decoding, "MEMBER_WAIT", 0.1)
    video = completed(token)
    video.video_file.save("v.mp4", ContentFile(b"it is not even looked at"), save=False)
    video.saved(video_file=video.video_file.name)
    with slots.all_of_them(settings.DATA_DIR, 0), pytest.raises(frames.FrameError, match=re.escape(slots.BUSY)):
        frames.extract(Generation.objects.get(), "first", ada)


def test_without_a_public_url_uploads_that_the_provider_refuses_are_not_accepted(client, ada):
    token = a_token(base_url="https://api.acedata.cloud")
    assert client.post("/uploads/", {"image": upload(a_picture())}).status_code == 200
    token.refuse_uploads("api.acedata.cloud/files/upload answered 404.")
    answer = client.post("/uploads/", {"image": upload(a_picture())})
    assert answer.status_code == 422
    assert "answered 404. Use a link instead." in answer.json()["error"]


def test_only_members_can_upload(client, token):
    assert "/login/" in client.post("/uploads/", {"image": upload(a_picture())})["Location"]
    assert not Frame.objects.exists()


def aged(frame: str, days: float) -> Frame:
    Frame.objects.filter(uuid=frame).update(created_at=timezone.now() - timezone.timedelta(days=days))
    return Frame.objects.get(uuid=frame)


def test_daily_uploads_of_a_member_are_limited(client, ada, token, monkeypatch):
    monkeypatch.setattr(frame_model, "UPLOADS_A_DAY", 2)

    def send(width: int):
        return client.post("/uploads/", {"image": upload(a_picture((width, 40)))})

    assert [send(width).status_code for width in (80, 90, 100)] == [200, 200, 422]
    words = "You added 2 pictures within a day"
    assert words in send(100).json()["error"]
    whole = {"prompt": "A fox", "mode": "frames", "end_image": upload(a_picture((110, 40)))}
    assert words in client.post("/generations/", whole).content.decode()
    with pytest.raises(frames.FrameError, match=words):
        frames.extract(Generation(archive="saved", video_file="videos/one.mp4"), "first", ada)
    assert send(80).status_code == 200, "one that is here already can be used again"
    Frame.objects.update(created_at=timezone.now() - timezone.timedelta(days=2))
    assert send(100).status_code == 200
    assert Frame.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_the_file_of_a_frame_unused_for_a_week_is_deleted(client, ada, token):
    unused = aged(a_frame(client)["frame"], 7.1)
    used = client.post("/uploads/", {"image": upload(a_picture((80, 40)))}).json()["frame"]
    client.post("/generations/", asked(mode="frames", end_frame=used))
    used = aged(used, 70)
    fresh = Frame.objects.get(uuid=client.post("/uploads/", {"image": upload(a_picture((90, 40)))}).json()["frame"])
    sweep.delete_unused_frames()
    sweep.remove_orphaned_files()
    assert [default_storage.exists(frame.file.name) for frame in (unused, used, fresh)] == [False, True, True]
    assert not OrphanedFile.objects.exists()
    answer = client.post("/generations/", asked(mode="frames", start_frame=str(unused.uuid)))
    assert answer.status_code == 422
    assert "no longer available" in answer.content.decode()
    # The same picture can be uploaded again, and reuses its row.
    assert a_frame(client)["frame"] == str(unused.uuid)
    assert client.get(f"/uploads/{unused.uuid}/").status_code == 200


def test_uploading_a_frame_again_keeps_it_for_another_week(client, ada, token):
    frame = aged(a_frame(client)["frame"], 6)
    a_frame(client)
    assert not Frame.objects.unused(timezone.now() + timezone.timedelta(days=2)).exists()
    assert frame in Frame.objects.unused(timezone.now() + timezone.timedelta(days=8))


def test_the_frame_picker_finds_saved_videos_by_prompt(client, ada, token):
    fox, heron = completed(token, prompt="a fox"), completed(token, prompt="a heron")
    Generation.objects.filter(pk__in=[fox.pk, heron.pk]).update(archive="saved")
    waiting = a_generation(ada, prompt="a fox that waits")
    text = client.get("/clips/?side=end&q=fox", headers=HTMX).content.decode()
    assert f"/generations/{fox.uuid}/frames/" in text
    assert str(heron.uuid) not in text
    assert str(waiting.uuid) not in text
    assert 'name="side" value="end"' in text
    assert "<html" in client.get("/clips/").content.decode()
    assert client.get("/clips/?before=garbage&side=x&q=%00").status_code == 200


def test_the_frame_picker_is_paginated(client, ada, token):
    rows = [completed(token, prompt=f"number {number}") for number in range(26)]
    Generation.objects.update(archive="saved")
    first = client.get("/clips/", headers=HTMX).content.decode()
    assert str(rows[25].uuid) in first
    assert str(rows[1].uuid) not in first
    before = re.search(r"before=(\d+)", first).group(1)
    older = client.get(f"/clips/?before={before}", headers=HTMX).content.decode()
    assert [str(row.uuid) in older for row in rows[:3]] == [True, True, False]
