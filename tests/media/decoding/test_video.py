"""Decode videos in this process: refused before a frame is decoded, or read."""

import io
import json
import re

import pytest

from videos.media.decoding import demuxing, video
from videos.media.decoding.errors import NotAVideo

from ...support import bombs
from ...support.sample_videos import noise_video


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("films")
    return {
        codec: noise_video(folder / "film.mp4", codec=codec, seconds=1)
        for codec in ("h264", "hevc", "mpeg4", "mpeg2video")
    }


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg4"])
def test_the_facts_and_stills_of_a_video_are_read(films, codec):
    facts, stills = video.read(io.BytesIO(films[codec]), stills=True)
    color = facts.pop("color")
    assert facts == {"duration": 1.0, "frame_rate": 24.0, "width": 64, "height": 48}
    assert re.fullmatch("#[0-9a-f]{6}", color)
    assert [still[:2] for still in stills] == [b"RI", b"\xff\xd8"]
    assert video.read(io.BytesIO(films[codec]), stills=False) == (facts, [])
    assert json.dumps(facts)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda films: films["mpeg2video"], "in an unknown format"),
        (lambda films: bombs.grey_video(4112, 4096), "4112×4096 pixels"),
        (lambda films: bombs.grey_video(4112, 4096, claims=(64, 48)), "more than can be read"),
    ],
    ids=["codec", "size", "size in the packets"],
)
def test_a_refused_video_is_explained(films, make, words):
    data = make(films)
    for decode in (video.check, lambda file: video.read(file, stills=True), lambda file: video.extract(file, "last")):
        with pytest.raises(NotAVideo, match=words):
            decode(io.BytesIO(data))


def test_a_frame_that_grows_within_a_video_is_not_decoded():
    """The header and the first frame are small; the decoder has its own limit."""
    small, large = bombs.grey_video(64, 48, frames=2), bombs.grey_video(4112, 4096, frames=2)
    assert video.extract(io.BytesIO(small), "last")[0] == {"width": 64, "height": 48}
    growing = bombs.grey_video(64, 48, frames=2, then=(4112, 4096))
    assert len(growing) > len(large) / 4
    assert video.probe(io.BytesIO(growing))[0]["width"] == 64
    with pytest.raises(NotAVideo):
        video.extract(io.BytesIO(growing), "last")


def test_a_frame_of_the_largest_size_is_decoded():
    facts, [jpeg] = video.extract(io.BytesIO(bombs.grey_video(4096, 4096, frames=2)), "last")
    assert facts["width"] * facts["height"] == demuxing.MAX_PIXELS
    assert jpeg[:2] == b"\xff\xd8"


def test_an_out_of_memory_error_is_not_reported_as_damage(monkeypatch, films):
    def short(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(video, "_shown_at", short)
    with pytest.raises(MemoryError):
        video.extract(io.BytesIO(films["h264"]), "first")
