"""The color of posters: read when a video is saved, and filled in for earlier ones."""

import io

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image, ImageDraw

from videos.jobs import poster_colors
from videos.jobs.poster_colors import PosterColors, read_poster_colors
from videos.jobs.queue import MEDIA_CLUSTER
from videos.media.decoding.errors import Busy
from videos.media.decoding.pictures import dominant_color
from videos.models import Generation

from ..support.factories import a_generation, a_member


def a_poster(color: str) -> bytes:
    image = Image.new("RGB", (640, 360), color)
    ImageDraw.Draw(image).ellipse((20, 20, 200, 200), fill="white")
    out = io.BytesIO()
    image.save(out, "WEBP")
    return out.getvalue()


def a_saved_video(data: bytes, **columns) -> Generation:
    generation = a_generation(state="completed", archive="saved")
    name = default_storage.save(f"videos/{generation.uuid}.webp", ContentFile(data))
    Generation.objects.filter(pk=generation.pk).update(poster_file=name, **columns)
    return generation


def color_of(generation: Generation) -> str:
    return Generation.objects.values_list("poster_color", flat=True).get(pk=generation.pk)


@pytest.fixture
def enqueued(monkeypatch) -> list[list[int]]:
    calls: list[list[int]] = []
    monkeypatch.setattr(poster_colors, "enqueue_poster_colors", calls.append)
    # The broker of a test run also has calls of other tests.
    monkeypatch.setattr(poster_colors, "queue_sizes", lambda: {MEDIA_CLUSTER: 0})
    return calls


@pytest.mark.parametrize("size", [(640, 360), (1, 1), (360, 640)])
def test_the_dominant_color_is_the_most_frequent_one(size):
    assert dominant_color(Image.new("RGB", size, "#1f7a66")) == "#1f7a66"


@pytest.mark.django_db
def test_existing_posters_get_their_color_a_few_at_a_time(enqueued, monkeypatch):
    monkeypatch.setattr(poster_colors, "MAX_READ", 2)
    a_member()
    rows = [a_saved_video(a_poster("#204080")) for _ in range(3)]
    known = a_saved_video(a_poster("red"), poster_color="#123456")
    a_generation(state="completed", archive="saved")  # without a poster
    walk = PosterColors()
    for _ in range(4):
        walk.run()
    assert enqueued == [[rows[2].pk, rows[1].pk], [rows[0].pk]]
    for pks in enqueued:
        read_poster_colors(*pks)
    for row in rows:
        red, green, blue = bytes.fromhex(color_of(row)[1:])
        assert (abs(red - 0x20), abs(green - 0x40), abs(blue - 0x80)) < (12, 12, 12)
    assert color_of(known) == "#123456"
    PosterColors().run()
    assert len(enqueued) == 2


@pytest.mark.django_db
def test_a_walk_passes_long_rows_of_known_colors(enqueued, monkeypatch):
    monkeypatch.setattr(poster_colors, "MAX_EXAMINED", 2)
    a_member()
    old = a_saved_video(a_poster("#204080"))
    for _ in range(4):
        a_saved_video(b"", poster_color="#123456")
    walk = PosterColors()
    for _ in range(3):
        walk.run()
    assert enqueued == [[old.pk]]


@pytest.mark.django_db
def test_an_unreadable_or_missing_poster_stops_nothing():
    a_member()
    broken, missing, whole = a_saved_video(b"no picture"), a_saved_video(b"x"), a_saved_video(a_poster("#204080"))
    default_storage.delete(Generation.objects.get(pk=missing.pk).poster_file.name)
    read_poster_colors(missing.pk, broken.pk, whole.pk)
    assert (color_of(broken), color_of(missing)) == ("", "")
    assert color_of(whole).startswith("#")


@pytest.mark.django_db
def test_the_rest_is_left_for_later_while_all_decoders_are_busy(monkeypatch):
    waits = []

    def wait(file):
        waits.append(file)
        raise Busy("all decoders are busy")

    a_member()
    rows = [a_saved_video(a_poster("#204080")) for _ in range(3)]
    with monkeypatch.context() as patched:
        patched.setattr(poster_colors.decoding, "read_color", wait)
        read_poster_colors(*(row.pk for row in rows))
    assert len(waits) == 1
    read_poster_colors(*(row.pk for row in rows))
    assert all(color_of(row) for row in rows)
