"""Check videos, read their facts and cut frames, in a separate process: `python -m videos.media.decoding.video`."""

from fractions import Fraction
from typing import Any, BinaryIO

import av
from PIL import Image

from . import completeness, demuxing, pictures, process
from .errors import NotAVideo


def check(file: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """Check that an MP4 file is whole. Raises NotAVideo, Incomplete."""
    completeness.check_whole(file)
    return {}, []


def read(file: BinaryIO, stills: bool) -> tuple[dict[str, Any], list[bytes]]:
    """Check that an MP4 file is whole; return its facts and, if wanted, a poster (WebP) and a still (JPEG).

    Raises NotAVideo, Incomplete.
    """
    completeness.check_whole(file)
    facts, first = probe(file)
    if not stills:
        return facts, []
    return facts | {"color": pictures.dominant_color(first)}, [pictures.poster(first), pictures.jpeg(first)]


def probe(file: BinaryIO) -> tuple[dict[str, Any], Image.Image]:
    """Return duration (s), frame rate (frames a second, None if unknown) and size (pixels), and the first picture."""
    with demuxing.opened(file) as (container, stream):
        frame = next(container.decode(stream), None)
        if frame is None:
            raise NotAVideo("The file cannot be played: it has no picture.")
        first = frame.to_image()
        duration = Fraction(container.duration or 0, av.time_base)
        if stream.duration and stream.time_base:
            duration = stream.duration * stream.time_base
        rate = float(stream.average_rate) if stream.average_rate else None
    facts = {"duration": round(float(duration), 3), "frame_rate": rate and round(rate, 3)}
    return facts | {"width": first.width, "height": first.height}, first


def extract(file: BinaryIO, at: float | str) -> tuple[dict[str, Any], list[bytes]]:
    """Return the picture that a player shows at this time (s), or the "first" or "last" one, as JPEG. Raises NotAVideo.

    Decoding starts at the key frame before it, so a long video takes no longer than a short one.
    """
    with demuxing.opened(file) as (container, stream):
        picture = _shown_at(container, stream, at).to_image()
    return {"width": picture.width, "height": picture.height}, [pictures.frame_jpeg(picture)]


def _shown_at(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, at: float | str
) -> av.VideoFrame:
    if stream.time_base is None:
        raise NotAVideo("The file does not say how long its pictures last.")
    start = float((stream.start_time or 0) * stream.time_base)
    if at == "last":
        wanted = start + float((stream.duration or 0) * stream.time_base) or 10.0**6
    else:
        wanted = start if at == "first" else start + max(0.0, float(at))
    container.seek(int(wanted / stream.time_base), stream=stream, backward=True)
    shown = None
    for frame in container.decode(stream):
        # Players round times differently from the file.
        if shown is not None and frame.time is not None and frame.time > wanted + 0.0001:
            break
        shown = frame
    if shown is None:
        raise NotAVideo("The file has no picture at that time.")
    return shown


if __name__ == "__main__":
    process.run({"check": check, "read": read, "extract": extract})
