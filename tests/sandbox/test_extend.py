"""Extensions that contain their parent (SANDBOX_EXTEND=whole), and the usual ones that do not."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from .process import ALIKE, Sandbox, difference, photo


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    running = Sandbox(tmp_path_factory.mktemp("whole"), extend="whole")
    yield running
    running.stop()


def times(sandbox, url):
    with av.open(io.BytesIO(sandbox.http.get(url).content)) as film:
        return [float(frame.time) for frame in film.decode(video=0)]


def a_foreign_clip(codec, rate, size, pixel_format="yuv420p"):
    """A clip that another encoder made, as bytes."""
    kept = io.BytesIO()
    with av.open(kept, "w", format="mp4") as film:
        stream = film.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        for number in range(rate):
            picture = Image.open(io.BytesIO(photo(size, number)))
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return kept.getvalue()


def begins_exactly_with(frames, before):
    return all(np.array_equal(one, other) for one, other in zip(frames, before, strict=False))


def test_a_whole_extension_has_its_parents_frames_and_goes_on(whole):
    first = whole.make("desert dunes", aspect_ratio="1:1").json()
    second = whole.make("then rain", action="extend", video_id=first["video_id"]).json()
    third = whole.make("then snow", action="extend", video_url=second["video_url"]).json()
    one, two, three = (whole.frames(clip["video_url"]) for clip in (first, second, third))
    assert [len(one), len(two), len(three)] == [60, 120, 180]
    assert begins_exactly_with(two, one) and begins_exactly_with(three, two)
    assert difference(two[60], one[-1]) < ALIKE < difference(two[-1], one[-1])
    steps = np.diff(times(whole, third["video_url"]))
    assert steps.min() == pytest.approx(steps.max(), abs=0.001)  # no gap at the seams
    file = whole.http.get(third["video_url"]).content
    assert file.index(b"moov") < file.index(b"mdat")


@pytest.mark.parametrize(("codec", "rate", "size"), [("mpeg4", 10, (96, 64)), ("libx264", 25, (200, 120))])
def test_a_whole_extension_of_a_foreign_clip_has_its_frames_too(whole, listener, codec, rate, size):
    listener.files["/foreign.mp4"] = a_foreign_clip(codec, rate, size)
    with av.open(io.BytesIO(listener.files["/foreign.mp4"])) as film:
        theirs = [frame.to_ndarray(format="yuv420p") for frame in film.decode(video=0)]
    made = whole.make("then rain", action="extend", video_url=f"{listener.url}/foreign.mp4").json()
    with av.open(io.BytesIO(whole.http.get(made["video_url"]).content)) as film:
        ours = [frame.to_ndarray(format="yuv420p") for frame in film.decode(video=0)]
    assert len(ours) == rate + 60 and begins_exactly_with(ours, theirs)
    assert times(whole, made["video_url"])[-1] == pytest.approx(1 + 59 / 12, abs=0.01)


def test_a_usual_extension_is_the_new_part_only(sandbox):
    first = sandbox.make("desert dunes", aspect_ratio="1:1").json()
    second = sandbox.make("then rain", action="extend", video_id=first["video_id"]).json()
    assert len(sandbox.frames(second["video_url"])) == 60
