"""Whether a file is complete, wherever it is cut and whatever else a link returns."""

import struct

import av
import numpy as np
import pytest
from PIL import Image

from videos.media.decoding import client, completeness
from videos.media.decoding.completeness import check_whole
from videos.media.decoding.errors import Incomplete, NotAVideo

from ...support.sample_videos import SECONDS, noise_video

FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"
# How a muxer may lay out one film: where its index stands, and whether sizes are known from the start.
LAYOUTS = {
    "index at the end": {},
    "index in front": {"movflags": "faststart"},
    "free space behind the index": {"movflags": "faststart", "moov_size": "4000"},
    "fragments": {"movflags": FRAGMENTS},
    "fragments after a first part": {"movflags": "frag_keyframe"},
    "fragments with an index of segments": {"movflags": "dash+delay_moov+global_sidx+frag_keyframe"},
}


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    return {name: noise_video(path, **options) for name, options in LAYOUTS.items()}


@pytest.fixture
def judge(tmp_path):
    """Return a function that checks bytes: None for a complete video, else the exception."""

    def judge(data: bytes) -> NotAVideo | None:
        path = tmp_path / "judged.mp4"
        path.write_bytes(data)
        try:
            with path.open("rb") as file:
                check_whole(file)
        except NotAVideo as reason:
            return reason
        return None

    return judge


def boxes(data: bytes, start: int = 0, end: int | None = None) -> list[tuple[str, int, int]]:
    """Return type, start and end of each box of a well-formed file, by an independent parser."""
    found, end = [], len(data) if end is None else end
    while start < end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
        found.append((kind.decode("latin-1"), start, start + size))
        start += size
    return found


def place_of(data: bytes, *path: str) -> tuple[int, int]:
    """Return start and end of the contents of a nested box."""
    start, end = 0, len(data)
    for kind in path:
        start, end = next((at + 8, to) for name, at, to in boxes(data, start, end) if name == kind)
    return start, end


def with_number(data: bytes, at: int, number: int) -> bytes:
    return data[:at] + struct.pack(">I", number) + data[at + 4 :]


def with_mdat_header(data: bytes, header: bytes) -> bytes:
    """The same film with another header of its mdat, which is the last box; the chunks' places are moved along."""
    kind, start, _ = boxes(data)[-1]
    assert kind == "mdat"
    shift = len(header) - 8
    at, _ = place_of(data, "moov", "trak", "mdia", "minf", "stbl", "stco")
    (count,) = struct.unpack_from(">I", data, at + 4)
    for place in range(at + 8, at + 8 + 4 * count, 4):
        data = with_number(data, place, struct.unpack_from(">I", data, place)[0] + shift)
    return data[:start] + header + data[start + 8 :]


# ── Whole ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_complete_video_of_any_layout_is_complete(films, judge, layout):
    assert judge(films[layout]) is None


@pytest.mark.parametrize("codec", ["hevc", "mpeg4"])
def test_a_complete_video_of_another_codec_is_complete(tmp_path, judge, codec):
    assert judge(noise_video(tmp_path / "film.mp4", codec=codec)) is None


def test_a_video_with_sound_is_complete_and_a_cut_one_is_not(tmp_path, judge):
    film = noise_video(tmp_path / "film.mp4", sound=True, movflags="faststart")
    assert judge(film) is None
    assert isinstance(judge(film[:-1]), Incomplete)


def test_a_box_may_have_a_size_of_64_bits(films, judge):
    film = films["index in front"]
    long = with_mdat_header(film, struct.pack(">I4sQ", 1, b"mdat", len(film) - boxes(film)[-1][1] + 8))
    assert judge(long) is None
    assert "of at least" in str(judge(long[:-1]))
    assert isinstance(judge(long[: boxes(film)[-1][1] + 12]), Incomplete), "cut within the size itself"


def test_a_last_box_without_a_size_is_checked_by_its_packets(films, judge):
    film = with_mdat_header(films["index in front"], struct.pack(">I4s", 0, b"mdat"))
    assert judge(film) is None
    assert isinstance(judge(film[:-1]), Incomplete)
    assert isinstance(judge(film[: len(film) // 2]), Incomplete)


@pytest.mark.parametrize("rest", [b"\0" * 100, b"<html>too much</html>", b"\xff" * 3, bytes(range(128, 255))])
def test_data_after_a_complete_video_is_ignored(films, judge, rest):
    assert judge(films["index in front"] + rest) is None
    assert judge(films["index at the end"] + rest) is None


@pytest.mark.parametrize("kind", [b"free", b"skip", b"uuid", b"xyzw"])
def test_unknown_boxes_are_skipped(films, judge, kind):
    box = struct.pack(">I4s", 108, kind) + bytes(100)
    assert judge(films["index at the end"] + box) is None
    start = boxes(films["index at the end"])[1][1]
    film = films["index at the end"]
    assert judge(film + box + box) is None
    assert isinstance(judge(film[:start] + box[:50]), NotAVideo)


def test_a_header_with_a_rounded_duration_is_accepted(films, judge):
    film = films["index in front"]
    at, _ = place_of(film, "moov", "mvhd")
    (scale, duration) = struct.unpack_from(">II", film, at + 12)
    assert duration == SECONDS * scale
    assert judge(with_number(film, at + 16, duration + scale // 5)) is None
    assert judge(with_number(film, at + 16, 0xFFFFFFFF)) is None, "all ones say that the duration is not known"


def test_a_video_with_a_late_start_or_an_edit_list_is_complete(films, judge):
    film = films["index in front"]
    at, _ = place_of(film, "moov", "trak", "edts", "elst")
    (duration,) = struct.unpack_from(">I", film, at + 8)
    assert judge(with_number(film, at + 8, duration // 2)) is None


# ── Cut ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_video_is_incomplete_wherever_it_is_cut(films, judge, layout):
    """Cut at each edge of each box, within its header and in its middle; a cut between fragments cannot be noticed."""
    film = films[layout]
    cuts = set()
    for kind, start, end in boxes(film):
        cuts |= {start, start + 4, start + 8, (start + end) // 2, end - 1} - {0}
        if kind in ("mdat", "mfra") and "fragments" in layout:
            cuts -= {start, start + 4} if kind == "mfra" else set()
        if kind == "moof" and layout in ("fragments", "fragments after a first part"):
            cuts -= {start, start + 4}
    assert len(cuts) > 10
    whole = [cut for cut in sorted(cuts) if not isinstance(judge(film[:cut]), Incomplete)]
    # A few bytes that are too short to be anything are no video at all.
    assert [cut for cut in whole if cut > 8] == []
    assert all(judge(film[:cut]) for cut in whole)


def test_a_cut_index_is_distinguished_from_cut_frames(films, judge):
    assert "index" in str(judge(films["index at the end"][: boxes(films["index at the end"])[-1][1]]))
    front = films["index in front"]
    assert "pictures" in str(judge(front[: boxes(front)[-1][1]]))
    assert "ends after" in str(judge(front[:-1]))


def test_a_video_whose_end_is_zeros_is_incomplete(films, judge):
    """A download that allocates the whole file first leaves this."""
    film = films["index in front"]
    half = len(film) // 2
    assert isinstance(judge(film[:half] + bytes(len(film) - half)), Incomplete)


def test_a_video_with_a_shortened_mdat_is_incomplete(films, judge):
    film = films["index in front"]
    _, start, end = boxes(film)[-1]
    cut = with_number(film, start, (end - start) // 2)[: start + (end - start) // 2]
    assert isinstance(judge(cut), Incomplete)


@pytest.mark.parametrize("layout", ["index in front", "index at the end"])
def test_a_duration_longer_than_the_packets_is_incomplete(films, judge, layout):
    film = films[layout]
    at, _ = place_of(film, "moov", "mvhd")
    (duration,) = struct.unpack_from(">I", film, at + 16)
    assert f"{SECONDS}.0 of {2 * SECONDS}.0 seconds" in str(judge(with_number(film, at + 16, 2 * duration)))


def test_announced_fragments_must_exist(films, judge):
    indexed = films["fragments with an index of segments"]
    last = [start for kind, start, _ in boxes(indexed) if kind == "moof"][-1]
    assert "of at least" in str(judge(indexed[:last]))
    film = films["fragments"]
    at, _ = place_of(film, "moov", "mvhd")
    (scale,) = struct.unpack_from(">I", film, at + 12)
    promised = with_number(film, at + 16, SECONDS * scale)
    assert judge(promised) is None
    middle = [start for kind, start, _ in boxes(film) if kind == "moof"][3]
    assert "seconds" in str(judge(promised[:middle]))
    assert judge(film[:middle]) is None, "without a promise nobody can know"


# ── Something else ────────────────────────────────────────────────────────────────────────────────────────────


def a_picture(tmp_path, kind: str) -> bytes:
    path = tmp_path / f"picture.{kind}"
    Image.new("RGB", (64, 48), "red").save(path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp"])
def test_a_picture_is_recognised_as_one(tmp_path, judge, kind):
    assert "picture" in str(judge(a_picture(tmp_path, kind)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>Sign in</title>", "web page"),
        (b"\xef\xbb\xbf\n <HTML>expired", "web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "web page"),
        (b'{"error": "expired"}', "other than an MP4"),
        (b"\x1aE\xdf\xa3webm and so on", "other than an MP4"),
        (b"\0", "other than an MP4"),
        (b"\0" * 5000, "other than an MP4"),
        (b"\0\0\0\x14ftypmp42" + bytes(100), "boxes"),
        (b"\0\0\0\x18ftypmp42" + bytes(12), "index is missing"),
    ],
)
def test_a_file_that_is_not_a_video_is_named(judge, data, words):
    assert words in str(judge(data))


def test_sound_alone_is_no_video(tmp_path, judge):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        voice = container.add_stream("aac", rate=44100, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), "fltp", "mono")
        samples.sample_rate = 44100
        container.mux(voice.encode(samples))
        container.mux(voice.encode())
    assert "no pictures" in str(judge(path.read_bytes()))


def test_a_corrupt_index_raises_no_other_error(films, judge):
    """Set sizes, counts and times to impossible values."""
    film = films["index in front"]
    start, end = place_of(film, "moov")
    for at in range(start - 8, end - 4, 13):
        for number in (0, 1, 7, 0x7FFFFFFF, 0xFFFFFFFF):
            judge(with_number(film, at, number))


def test_the_number_of_boxes_is_limited(films, judge, monkeypatch):
    monkeypatch.setattr(completeness, "MAX_BOXES", 50)
    film = films["index at the end"] + struct.pack(">I4s", 8, b"free") * 100
    assert "too many boxes" in str(judge(film))


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        client.check_video(tmp_path / "nothing.mp4")


def with_contents(data: bytes, contents: bytes, *path: str) -> bytes:
    """The same film with other contents of a box within boxes, whose sizes and the chunks' places are moved along."""
    start, end = place_of(data, *path)
    shift = len(contents) - (end - start)
    at, _ = place_of(data, "moov", "trak", "mdia", "minf", "stbl", "stco")
    (count,) = struct.unpack_from(">I", data, at + 4)
    for place in range(at + 8, at + 8 + 4 * count, 4):
        data = with_number(data, place, struct.unpack_from(">I", data, place)[0] + shift)
    for box in [place_of(data, *path[:depth])[0] for depth in range(1, len(path) + 1)]:
        data = with_number(data, box - 8, struct.unpack_from(">I", data, box - 8)[0] + shift)
    return data[:start] + contents + data[end:]


def test_the_number_of_nested_boxes_is_limited(films, judge, monkeypatch):
    film = films["index in front"]
    start, end = place_of(film, "moov", "trak", "edts")
    many = with_contents(film, film[start:end] + struct.pack(">I4s", 8, b"free") * 100, "moov", "trak", "edts")
    assert judge(many) is None
    monkeypatch.setattr(completeness, "MAX_BOXES", 50)
    assert "too many boxes" in str(judge(many))


def test_the_length_of_an_edit_list_is_limited(films, judge):
    edit = struct.pack(">Iihh", 1, 0, 1, 0)
    film = films["index in front"]

    def with_edits(count: int) -> bytes:
        return with_contents(film, struct.pack(">II", 0, count) + edit * count, "moov", "trak", "edts", "elst")

    assert judge(with_edits(2)) is None
    assert "too many edits" in str(judge(with_edits(20_000)))
