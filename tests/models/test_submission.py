"""What makes two submissions the same."""

import uuid

import pytest

from videos.models import ApiToken, Frame, Submission

from ..support.factories import a_token

pytestmark = pytest.mark.django_db


# ── Requests that answered 500 ──────────────────────────────────────────────────────────────────────────────────────


def test_a_token_with_an_invalid_base_url_does_not_block_submissions(client, ada):
    ApiToken.objects.filter(pk=a_token().pk).update(base_url="http://[")
    asked = {"prompt": "A", "start_image_url": "https://example.com/a.jpg"}
    assert client.post("/generations/", asked).status_code == 302


# ── What is sent, and how ───────────────────────────────────────────────────────────────────────────────────────────


def test_an_edited_form_is_a_new_submission_and_an_unchanged_one_is_not(client, ada):
    key = str(uuid.uuid4())
    asked = {"submission_key": key, "prompt": "A", "count": "1"}
    more = {"count": "2", "again": "1"}  # of the same video, which is still queued
    for changes in ({}, {}, {"prompt": "B"}, more, more, {"loop": "true"}, {"prompt": "B"}):
        assert client.post("/generations/", asked | changes).status_code == 302
    assert Submission.objects.count() == 4
    # Without a key each request is a separate submission.
    client.post("/generations/", {"prompt": "A", "again": "1"})
    client.post("/generations/", {"prompt": "A", "again": "1"})
    assert Submission.objects.count() == 6


def test_a_form_with_another_frame_is_a_new_submission(client, ada):
    a_token(base_url="http://127.0.0.1:8801")
    frames = [
        Frame.objects.create(sha256=letter * 64, file="frames/x.jpg", width=4, height=4, size_bytes=6, member=ada)
        for letter in "ab"
    ]
    key = str(uuid.uuid4())
    for frame in (*frames, frames[0]):
        asked = {"submission_key": key, "prompt": "A", "mode": "frames", "start_frame": str(frame.uuid)}
        assert client.post("/generations/", asked).status_code == 302
    assert Submission.objects.count() == 2
