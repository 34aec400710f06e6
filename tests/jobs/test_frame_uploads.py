"""Without a public URL, frames are uploaded with the claimed token before the paid request."""

import io
import threading
import uuid

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone
from PIL import Image

from videos import provider
from videos.frames import why_unavailable
from videos.jobs import frame_uploads, submit, sweep
from videos.models import ApiToken, Frame, Generation, UploadedFrame
from videos.models.token import UPLOADS_REFUSED_FOR

from ..support.factories import a_generation, a_member, a_token
from ..support.stub_provider import StubProvider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _without_address(settings):
    settings.PUBLIC_URL = ""


def a_frame(colour: str = "navy") -> Frame:
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(picture, "JPEG")
    file = default_storage.save(f"frames/{uuid.uuid4().hex}.jpg", ContentFile(picture.getvalue()))
    member = Generation._meta.get_field("member").related_model.objects.first() or a_member()
    size = len(picture.getvalue())
    return Frame.objects.create(sha256=uuid.uuid4().hex, file=file, width=64, height=48, size_bytes=size, member=member)


def sent(stub) -> list[dict]:
    return [post for post in stub.posts if "prompt" in post]


def test_a_frame_is_uploaded_with_the_claimed_token_and_its_link_is_sent(stub, token):
    frame = a_frame()
    generation = a_generation(start_frame=frame)
    submit.drain()
    generation.refresh_from_db()
    [upload] = stub.uploads
    assert upload.path == "/files/upload"
    assert upload.token == "Bearer sandbox"
    assert frame.file.open("rb").read() in upload.body
    [post] = sent(stub)
    assert post["start_image_url"] == upload.url
    assert (generation.state, generation.uploading) == ("processing", False)
    assert upload.url not in str(Generation.objects.values().get()), "the link is remembered with the frame alone"


def test_both_frames_are_uploaded_once_per_token(stub, token):
    start, end = a_frame("navy"), a_frame("gold")
    for _ in range(2):
        a_generation(start_frame=start, end_frame=end)
        submit.drain()
    assert len(stub.uploads) == 2
    first, second = sent(stub)
    assert (first["start_image_url"], first["end_image_url"]) == (second["start_image_url"], second["end_image_url"])
    assert first["start_image_url"] != first["end_image_url"]
    second_token = a_token("sandbox-second", base_url=stub.url, priority=1)
    a_generation(start_frame=start)
    submit.drain()
    assert len(stub.uploads) == 3, "another account cannot use the first one's file"
    assert stub.uploads[-1].token == "Bearer sandbox-second"
    assert set(UploadedFrame.objects.values_list("token", flat=True)) == {token.pk, second_token.pk}


def test_takes_of_one_drain_share_one_upload(stub, token):
    stub.upload_seconds = 0.3
    a_generation(takes=4, start_frame=a_frame())
    submit.drain()
    assert (len(stub.uploads), len(sent(stub))) == (1, 4)


def test_an_expired_link_is_uploaded_again(stub, token):
    frame = a_frame()
    a_generation(start_frame=frame)
    submit.drain()
    soon = timezone.now() + timezone.timedelta(minutes=10)
    UploadedFrame.objects.update(expires_at=soon)
    a_generation(start_frame=frame)
    submit.drain()
    assert len(stub.uploads) == 2, "the provider reads the picture some time after the POST"
    assert sent(stub)[1]["start_image_url"] == stub.uploads[1].url


def test_a_link_without_an_expiry_is_used_for_a_day(stub, token):
    stub.answer_upload = lambda path, url: (200, {"file_url": url})
    frame = a_frame()
    a_generation(start_frame=frame)
    submit.drain()
    life = UploadedFrame.objects.get().expires_at - timezone.now()
    assert timezone.timedelta(hours=23) < life <= timezone.timedelta(hours=24)


def test_the_platform_endpoint_is_remembered_once_it_has_worked(stub, token):
    stub.answer_upload = lambda path, url: (200, {"file_url": url}) if path == "/api/v1/files/" else (404, {})
    for colour in ("navy", "gold"):
        a_generation(start_frame=a_frame(colour))
        submit.drain()
    assert [upload.path for upload in stub.uploads] == ["/files/upload", "/api/v1/files/", "/api/v1/files/"]


@pytest.mark.parametrize(
    "answer",
    [
        (401, {"error": {"code": "invalid_token", "message": "no"}}),
        (403, {"detail": "A platform token is required."}),
        (404, {"error": {"code": "no_api", "message": "no such API"}}),
        (405, {}),
        (200, {"surprise": True}),
        (200, {"url": "ftp://cdn.acedata.cloud/a.jpg"}),
    ],
)
def test_a_refused_upload_fails_the_row_unsent_and_the_next_form_says_why(client, stub, token, answer):
    stub.answer_upload = lambda path, url: answer
    generation = a_generation(start_frame=a_frame())
    submit.drain()
    generation.refresh_from_db()
    token.refresh_from_db()
    assert (generation.state, generation.error_code) == ("failed", "upload_refused")
    assert not sent(stub)
    assert (token.health, token.in_flight) == ("ok", 0), "it still makes videos without frames"
    client.force_login(generation.member)
    page = client.get(f"/generations/{generation.uuid}/").content.decode()
    assert "Frame upload refused" in page
    assert "Nothing was charged." in page
    form = client.get("/").content.decode()
    assert "The provider refused the last uploaded picture" in form
    assert f"answered {answer[0]}" in form
    assert "Use a link instead." in form
    client.post("/generations/", {"prompt": "by link", "start_image_url": "https://example.com/a.jpg"})
    submit.drain()
    assert sent(stub)[0]["start_image_url"] == "https://example.com/a.jpg"


def test_a_refusal_expires_and_ends_with_a_new_secret(stub, token):
    token.refuse_uploads("api.example/files/upload answered 404.")
    assert why_unavailable()
    ApiToken.objects.update(uploads_refused_at=timezone.now() - UPLOADS_REFUSED_FOR)
    assert not why_unavailable()
    a_generation(start_frame=a_frame())
    submit.drain()
    token.refresh_from_db()
    assert (token.uploads_refused_at, token.uploads_refusal) == (None, "")
    token.refuse_uploads("no")
    token.rotate("sandbox-new", None)
    assert not why_unavailable()


def test_a_token_that_accepts_frames_is_preferred(stub, token):
    token.refuse_uploads("no")
    second = a_token("sandbox-second", base_url=stub.url, priority=99)
    generation = a_generation(start_frame=a_frame())
    text = a_generation()
    submit.drain()
    generation.refresh_from_db()
    text.refresh_from_db()
    assert (generation.token, text.token) == (second, token)


@pytest.mark.parametrize("status", [429, 500, 503, None])
def test_a_temporary_upload_failure_requeues_the_row(stub, token, status):
    def answer(path, url):
        return (status, {"error": {"code": "busy", "message": "later"}}) if status else None

    stub.answer_upload = answer
    generation = a_generation(start_frame=a_frame())
    text = a_generation()
    submit.drain()
    generation.refresh_from_db()
    text.refresh_from_db()
    token.refresh_from_db()
    assert (generation.state, generation.error_code) == ("queued", "upload_failed")
    assert generation.not_before > timezone.now(), "or it would be tried over and over"
    assert (text.state, token.health) == ("processing", "ok")
    assert [post["prompt"] for post in sent(stub)] == [text.prompt]
    stub.answer_upload = StubProvider.answer_upload.__get__(stub)
    Generation.objects.update(not_before=timezone.now())
    submit.drain()
    generation.refresh_from_db()
    assert generation.state == "processing"


def test_a_frame_that_is_too_large_fails_with_a_message_and_does_not_block_others(stub, token):
    stub.answer_upload = lambda path, url: (413, {})
    generation = a_generation(start_frame=a_frame())
    submit.drain()
    generation.refresh_from_db()
    assert (generation.state, generation.error_code) == ("failed", "upload_too_large")
    assert not why_unavailable()


def test_a_missing_frame_file_fails_the_row_with_a_message(stub, token):
    frame = a_frame()
    generation = a_generation(start_frame=frame)
    default_storage.delete(frame.file.name)
    submit.drain()
    generation.refresh_from_db()
    assert (generation.state, generation.error_code, stub.uploads) == ("failed", "frame_gone", [])


def test_a_worker_that_dies_while_uploading_leaves_the_row_queued(stub, token):
    generation = a_generation(start_frame=a_frame())
    claim = generation.claim()
    assert claim.generation.uploading
    Generation.objects.update(submitted_at=timezone.now() - timezone.timedelta(minutes=5))
    sweep.sweep()
    generation.refresh_from_db()
    token.refresh_from_db()
    assert (generation.state, token.in_flight) == ("queued", 0)
    assert not claim.generation.end_upload(claim.owned), "the worker was only slow, and must not send it any more"
    assert not claim.generation.renew_upload(claim.owned)


def test_a_claim_that_began_to_send_becomes_unconfirmed(stub, token):
    generation = a_generation(start_frame=a_frame())
    claim = generation.claim()
    assert claim.generation.end_upload(claim.owned)
    Generation.objects.update(submitted_at=timezone.now() - timezone.timedelta(minutes=5))
    stale = Generation.objects.get()
    stale.uploading = True
    assert not stale.requeue_interrupted_upload()
    sweep.sweep()
    generation.refresh_from_db()
    assert (generation.state, generation.error_code) == ("unconfirmed", "interrupted")


def test_a_slow_upload_renews_its_claim(stub, token, monkeypatch):
    monkeypatch.setattr(frame_uploads, "RENEW_EVERY", 0.05)
    generation = a_generation(start_frame=a_frame())
    renewed = threading.Event()

    def answer(path, url):
        before = Generation.objects.values_list("submitted_at", flat=True).get()
        for _ in range(200):
            if Generation.objects.values_list("submitted_at", flat=True).get() > before:
                renewed.set()
                break
            threading.Event().wait(0.02)
        connection.close()
        return 200, {"url": url}

    stub.answer_upload = answer
    submit.drain()
    generation.refresh_from_db()
    assert renewed.is_set()
    assert generation.state == "processing"


def test_a_claim_lost_during_the_upload_sends_nothing(stub, token, monkeypatch):
    monkeypatch.setattr(frame_uploads, "RENEW_EVERY", 0.05)
    generation = a_generation(start_frame=a_frame())
    cancelled = []

    def answer(path, url):
        row = Generation.objects.get()
        cancelled.append(row.requeue_interrupted_upload() and row.cancel(row.member))
        connection.close()
        threading.Event().wait(1)
        return 200, {"url": url}

    stub.answer_upload = answer
    submit.drain()
    generation.refresh_from_db()
    assert cancelled == [True]
    assert (generation.state, sent(stub)) == ("canceled", [])


def test_no_log_holds_the_token_or_the_link(stub, token, caplog):
    caplog.set_level("DEBUG")
    ApiToken.objects.all().delete()
    a_token("sandbox-very-secret", base_url=stub.url)
    a_generation(start_frame=a_frame())
    submit.drain()
    stub.answer_upload = lambda path, url: (403, {"detail": "sandbox-very-secret may not"})
    a_generation(start_frame=a_frame("gold"))
    submit.drain()
    assert "sandbox-very-secret" not in caplog.text
    assert "sandbox-very-secret" not in str(list(ApiToken.objects.values("uploads_refusal", "last_error")))
    assert "sandbox-very-secret" not in str(list(Generation.objects.values()))


def test_a_public_address_needs_no_upload(stub, token, settings):
    settings.PUBLIC_URL = "https://films.example.com"
    a_generation(start_frame=a_frame())
    submit.drain()
    assert not stub.uploads
    assert sent(stub)[0]["start_image_url"].startswith("https://films.example.com/frames/")


def test_old_links_are_deleted(stub, token):
    frame = a_frame()
    UploadedFrame.objects.remember(frame, token, url="https://cdn.example/a.jpg", expires_at=None, endpoint="x")
    sweep.delete_unused_frames()
    assert UploadedFrame.objects.exists()
    UploadedFrame.objects.update(expires_at=timezone.now() - timezone.timedelta(days=8))
    sweep.delete_unused_frames()
    assert not UploadedFrame.objects.exists()


def test_deleting_a_frame_deletes_its_links(stub, token):
    frame = a_frame()
    UploadedFrame.objects.remember(frame, token, url="https://cdn.example/a.jpg", expires_at=None, endpoint="x")
    with transaction.atomic():
        Frame.objects.filter(pk=frame.pk).release()
    assert not UploadedFrame.objects.exists()


def test_the_largest_upload_of_the_contract_is_sent():
    assert provider.MAX_UPLOAD_BYTES == 25_000_000
