"""Extensions that contain their parent: its frames first, then the new ones."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer

TIME_BASE = Fraction(1, 90_000)  # seconds; fine enough for the frames of any video
LOSSLESS = {"preset": "ultrafast", "qp": "0"}


def prepend(parent: Path, extension: Path) -> None:
    """Put a parent's frames before those of its extension, which is replaced.

    Copies packets if both have the same encoder, size and rate; otherwise encodes again without loss.
    """
    joined = extension.with_suffix(".joined")
    with (
        av.open(str(parent), format="mp4") as before,
        av.open(str(extension), format="mp4") as after,
        av.open(str(joined), "w", format="mp4", options={"movflags": "+faststart"}) as target,
    ):
        if _are_compatible(before, after):
            _copy(before, after, target)
        else:
            _encode(before, after, target)
    joined.replace(extension)


def _are_compatible(before: InputContainer, after: InputContainer) -> bool:
    """Tell whether one decoder can play both; size and rate are part of extradata."""
    first, second = before.streams.video[0].codec_context, after.streams.video[0].codec_context
    return (first.name, first.extradata) == (second.name, second.extradata)


def _copy(before: InputContainer, after: InputContainer, target: OutputContainer) -> None:
    stream = target.add_stream_from_template(before.streams.video[0])
    end = Fraction(0)  # of the packets written so far, in seconds
    for container in (before, after):
        start = end
        for packet in container.demux(container.streams.video[0]):
            if packet.pts is None or packet.dts is None:  # a demuxer ends with an empty packet
                continue
            shift = int(start / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            packet.stream = stream
            target.mux(packet)


def _encode(before: InputContainer, after: InputContainer, target: OutputContainer) -> None:
    source = before.streams.video[0]
    stream = target.add_stream("libx264", rate=source.average_rate or 24, options=LOSSLESS)
    stream.width, stream.height = source.width, source.height
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = TIME_BASE
    stream.codec_context.thread_count = 1
    for frame, seconds in _decode(before, after):
        converted = frame.reformat(stream.width, stream.height, "yuv420p")
        converted.pts, converted.time_base = round(seconds / TIME_BASE), TIME_BASE
        target.mux(stream.encode(converted))
    target.mux(stream.encode(None))


def _decode(*containers: InputContainer) -> Iterator[tuple[av.VideoFrame, Fraction]]:
    """Decode containers one after the other; yield each frame with its time in seconds."""
    start = Fraction(0)
    for container in containers:
        stream = container.streams.video[0]
        frame_seconds = 1 / Fraction(stream.average_rate or 24)
        first, elapsed = None, Fraction(0)
        for frame in container.decode(stream):
            time = (frame.pts or 0) * (frame.time_base or TIME_BASE)
            first = time if first is None else first
            elapsed = time - first
            yield frame, start + elapsed
        start += elapsed + frame_seconds
