"""Make small, short MP4 files."""

import struct
from pathlib import Path

import av
import numpy as np

from videos.media.decoding import client, pictures, video

RATE, SECONDS = 24, 3


def noise_video(path: Path, codec: str = "h264", sound: bool = False, seconds: float = SECONDS, **options) -> bytes:
    """Write a video of random noise to `path`, and return its bytes; `options` are the MP4 muxer\'s."""
    noise = np.random.default_rng(1)
    with av.open(str(path), "w", format="mp4", options=options) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = RATE // 2
        voice = container.add_stream("aac", rate=44100, layout="mono") if sound else None
        for _ in range(int(seconds * RATE)):
            picture = noise.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        for number in range(int(seconds * 44100 / 1024) if voice else 0):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), "fltp", "mono")
            samples.sample_rate, samples.pts = 44100, number * 1024
            container.mux(voice.encode(samples))
        for each in filter(None, (stream, voice)):
            container.mux(each.encode())
    return path.read_bytes()


def with_mark(video: bytes, mark: bytes) -> bytes:
    """Return the video with a `free` box that holds `mark`, so that its hash differs."""
    return video + struct.pack(">I4s", 8 + len(mark), b"free") + mark


def read_unchecked(path: Path, *, stills: bool) -> client.Facts:
    """Read a video as an earlier version did, without checking that it is complete."""
    with path.open("rb") as file:
        facts, first = video.probe(file)
    made = client.Stills(pictures.poster(first), pictures.jpeg(first), pictures.dominant_color(first))
    return client.Facts(**facts, stills=made)


def plain_video(folder: Path) -> bytes:
    """Return a video of one second, each of whose frames has one shade of grey."""
    path = folder / "plain.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade * 20, dtype=np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()
