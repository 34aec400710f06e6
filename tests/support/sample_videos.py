"""Real MP4 films of noise, small and short, for tests; numbered ones differ in a few bytes that no player minds."""

import struct
from pathlib import Path

import av
import numpy as np

from videos.media.decoding import client, pictures, video

RATE, SECONDS = 24, 3


def a_film(path: Path, codec: str = "h264", sound: bool = False, seconds: float = SECONDS, **options) -> bytes:
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


def with_mark(film: bytes, mark: bytes) -> bytes:
    """The same film with a box of free space that holds these bytes, so that its hash is another."""
    return film + struct.pack(">I4s", 8 + len(mark), b"free") + mark


def read_unchecked(path: Path, *, stills: bool) -> client.Facts:
    """Read a video as an earlier version did, without a check whether it is whole."""
    with path.open("rb") as file:
        facts, first = video.probe(file)
    return client.Facts(**facts, stills=client.Stills(pictures.poster(first), pictures.jpeg(first)))
