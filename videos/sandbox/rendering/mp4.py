"""Reading frames out of MP4 files, and writing frames into them."""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image

from ..http_client import Unreadable


def read_last_frame(path: Path) -> Image.Image:
    """Decode the last picture of a video; Unreadable when there is none."""
    try:
        with av.open(str(path), format="mp4") as video:
            if not video.streams.video:
                raise Unreadable("no video in it")
            stream = video.streams.video[0]
            if stream.duration:  # from the last key frame on, instead of all of it
                video.seek((stream.start_time or 0) + stream.duration, stream=stream, backward=True)
            picture = _last(video.decode(stream))
            if picture is None:
                video.seek(0)
                picture = _last(video.decode(stream))
            if picture is None:
                raise Unreadable("no picture in it")
            return picture.to_image()
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable("not a video that can be read") from error


def _last(pictures: Iterator[av.VideoFrame]) -> av.VideoFrame | None:
    kept = deque(pictures, maxlen=1)
    return kept[0] if kept else None


def write_mp4(path: Path, size: tuple[int, int], rate: int, frames: Iterable[Image.Image]) -> None:
    """Encode RGB pictures of one even size as H.264 that browsers play and seek; replaces path at the end."""
    unfinished = path.with_suffix(".part")
    with av.open(str(unfinished), "w", format="mp4", options={"movflags": "+faststart"}) as video:
        stream = video.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = rate * 2
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, rate)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_image(picture)
            frame.pts = number
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
    unfinished.replace(path)
