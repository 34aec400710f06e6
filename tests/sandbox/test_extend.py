"""Extensions that contain their parent (SANDBOX_EXTEND=whole), and those that do not."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from .process import ENCODING_DIFFERENCE, Sandbox, difference, photo


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    running = Sandbox(tmp_path_factory.mktemp("whole"), extend="whole")
    yield running
    running.stop()


def times(sandbox, url):
    with av.open(io.BytesIO(sandbox.http.get(url).content)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def encode_foreign_video(codec, rate, size, pixel_format="yuv420p"):
    """Return a video of another encoder."""
    kept = io.BytesIO()
    with av.open(kept, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        for number in range(rate):
            picture = Image.open(io.BytesIO(photo(size, number)))
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return kept.getvalue()


def begins_exactly_with(frames, before):
    return all(np.array_equal(one, other) for one, other in zip(frames, before, strict=False))


def test_a_whole_extension_has_its_parents_frames_and_then_new_ones(whole):
    first = whole.request_video("desert dunes", aspect_ratio="1:1").json()
    second = whole.request_video("then rain", action="extend", video_id=first["video_id"]).json()
    third = whole.request_video("then snow", action="extend", video_url=second["video_url"]).json()
    one, two, three = (whole.frames(video["video_url"]) for video in (first, second, third))
    assert [len(one), len(two), len(three)] == [60, 120, 180]
    assert begins_exactly_with(two, one) and begins_exactly_with(three, two)
    assert difference(two[60], one[-1]) < ENCODING_DIFFERENCE < difference(two[-1], one[-1])
    steps = np.diff(times(whole, third["video_url"]))
    assert steps.min() == pytest.approx(steps.max(), abs=0.001)  # no gap between the videos
    file = whole.http.get(third["video_url"]).content
    assert file.index(b"moov") < file.index(b"mdat")


@pytest.mark.parametrize(("codec", "rate", "size"), [("mpeg4", 10, (96, 64)), ("libx264", 25, (200, 120))])
def test_a_whole_extension_of_a_foreign_video_has_its_frames_too(whole, receiver, codec, rate, size):
    receiver.files["/foreign.mp4"] = encode_foreign_video(codec, rate, size)
    with av.open(io.BytesIO(receiver.files["/foreign.mp4"])) as container:
        theirs = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    made = whole.request_video("then rain", action="extend", video_url=f"{receiver.url}/foreign.mp4").json()
    with av.open(io.BytesIO(whole.http.get(made["video_url"]).content)) as container:
        ours = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    assert len(ours) == rate + 60 and begins_exactly_with(ours, theirs)
    assert times(whole, made["video_url"])[-1] == pytest.approx(1 + 59 / 12, abs=0.01)


def test_by_default_an_extension_is_only_the_new_part(sandbox):
    first = sandbox.request_video("desert dunes", aspect_ratio="1:1").json()
    second = sandbox.request_video("then rain", action="extend", video_id=first["video_id"]).json()
    assert len(sandbox.frames(second["video_url"])) == 60
