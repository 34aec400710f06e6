"""Open MP4 files with FFmpeg: one demuxer, five codecs, one thread, and a bound on the size of their pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import av

from .errors import NotAVideo

MAX_PIXELS = 4096 * 4096  # of one picture: 4K in any shape
CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4")
OPTIONS = {
    # FFmpeg decodes packets while it opens a file, and keeps to these there, too. A decoder that is not listed never
    # runs; AAC is there for the sound's sample rate.
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2",
    "codec_whitelist": ",".join((*CODECS, "libdav1d", "aac")),
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_PIXELS),
    "threads": "1",
}
READ_AT_ONCE = 1024 * 1024  # bytes


@contextmanager
def opened(file: BinaryIO, **options: str) -> Iterator[tuple[av.container.InputContainer, av.video.stream.VideoStream]]:
    """Open an MP4 file; yield it and its pictures, ready to be decoded.

    Raises NotAVideo, also for what FFmpeg raises while the file is open, but MemoryError where memory is short.
    """
    try:
        with av.open(
            file, format="mp4", options=OPTIONS | options, metadata_errors="replace", buffer_size=READ_AT_ONCE
        ) as container:
            yield container, _pictures(container)
    except MemoryError:  # also one of FFmpeg's errors
        raise
    except av.FFmpegError as error:
        raise NotAVideo(f"The file cannot be played: {error.strerror}.") from None


def _pictures(container: av.container.InputContainer) -> av.video.stream.VideoStream:
    if not container.streams.video:
        raise NotAVideo("The file has no pictures.")
    stream = container.streams.video[0]
    context = stream.codec_context
    if not context or context.codec.canonical_name not in CODECS:
        raise NotAVideo("The pictures of the file are in a format that is not known.")
    if context.width * context.height > MAX_PIXELS:
        raise NotAVideo(
            f"The pictures of the file have {context.width}×{context.height} pixels, more than can be read."
        )
    # The headers of a file may say less than its packets.
    context.options = {"max_pixels": str(MAX_PIXELS)}
    context.thread_count = 1
    return stream
