"""Reading frames from MP4 files and writing them."""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image

from ..errors import InvalidFile


def read_last_frame(path: Path) -> Image.Image:
    """Decode the last frame of an MP4 file; raise InvalidFile if there is none."""
    try:
        with av.open(str(path), format="mp4") as container:
            if not container.streams.video:
                raise InvalidFile("no video in it")
            stream = container.streams.video[0]
            if stream.duration:  # decode from the last key frame only
                container.seek((stream.start_time or 0) + stream.duration, stream=stream, backward=True)
            frame = _last(container.decode(stream))
            if frame is None:
                container.seek(0)
                frame = _last(container.decode(stream))
            if frame is None:
                raise InvalidFile("no picture in it")
            return frame.to_image()
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InvalidFile("not a video that can be read") from error


def _last(frames: Iterator[av.VideoFrame]) -> av.VideoFrame | None:
    kept = deque(frames, maxlen=1)
    return kept[0] if kept else None


def write_mp4(path: Path, size: tuple[int, int], rate: int, pictures: Iterable[Image.Image]) -> None:
    """Encode RGB pictures of one even size as H.264 that browsers play and seek; path appears when it is complete."""
    unfinished = path.with_suffix(".part")
    with av.open(str(unfinished), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = rate * 2
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, rate)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_image(picture)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    unfinished.replace(path)
