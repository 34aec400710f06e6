"""Thumbnails and posters beside the video."""

import time

import pytest
from django.core.files.storage import default_storage
from PIL import Image

from videos.media import saved_videos

from ...support.media_host import HTML, a_jpeg, attempt, drips, finished

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]


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
