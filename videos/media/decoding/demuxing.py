"""Open MP4 files with FFmpeg: one demuxer, five codecs, one thread, and a limit on the size of their pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import av

from .errors import NotAVideo

MAX_PIXELS = 4096 * 4096  # of one picture: 4K in any shape
CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4")
OPTIONS = {
    # FFmpeg already decodes packets while it opens a file, and these options apply there too. A decoder that is not
    # listed never runs; AAC is listed for the sample rate of the sound.
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2",
    "codec_whitelist": ",".join((*CODECS, "libdav1d", "aac")),
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_PIXELS),
    "threads": "1",
}
BUFFER_SIZE = 1024 * 1024


@contextmanager
def opened(file: BinaryIO, **options: str) -> Iterator[tuple[av.container.InputContainer, av.video.stream.VideoStream]]:
    """Open an MP4 file; yield its container and its video stream.

    Raises NotAVideo, also instead of FFmpeg's errors in the block, and MemoryError.
    """
    try:
        with av.open(
            file, format="mp4", options=OPTIONS | options, metadata_errors="replace", buffer_size=BUFFER_SIZE
        ) as container:
            if not isinstance(container, av.container.InputContainer):
                raise TypeError("The file was opened for writing.")
            yield container, _video_stream(container)
    except MemoryError:  # av's MemoryError is also an FFmpegError
        raise
    except av.FFmpegError as error:
        raise NotAVideo(f"The file cannot be played: {error.strerror}.") from None


def _video_stream(container: av.container.InputContainer) -> av.video.stream.VideoStream:
    if not container.streams.video:
        raise NotAVideo("The file has no pictures.")
    stream = container.streams.video[0]
    context = stream.codec_context
    if not context or context.codec.canonical_name not in CODECS:
        raise NotAVideo("The pictures of the file are in an unknown format.")
    if context.width * context.height > MAX_PIXELS:
        raise NotAVideo(
            f"The pictures of the file have {context.width}×{context.height} pixels, more than can be read."
        )
    # The headers of a file may state a smaller size than its packets have.
    context.options = {"max_pixels": str(MAX_PIXELS)}
    context.thread_count = 1
    return stream
