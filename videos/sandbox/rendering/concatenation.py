"""Extensions that contain the clip they continue: its frames exactly, then the new ones."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

CLOCK = Fraction(1, 90_000)  # seconds; fine enough for the frames of any clip
LOSSLESS = {"preset": "ultrafast", "qp": "0"}


def prepend(parent: Path, new: Path) -> None:
    """Put the frames of a parent before those of its extension; replaces new at the end.

    Clips of one encoder, size and rate are joined by their packets. Any other parent is encoded again without loss.
    """
    joined = new.with_suffix(".joined")
    fast = {"movflags": "+faststart"}
    with (
        av.open(str(parent), format="mp4") as before,
        av.open(str(new), format="mp4") as after,
        av.open(str(joined), "w", format="mp4", options=fast) as target,
    ):
        if _are_alike(before, after):
            _copy(before, after, target)
        else:
            _encode(before, after, target)
    joined.replace(new)


def _are_alike(before: av.container.InputContainer, after: av.container.InputContainer) -> bool:
    """Whether a decoder set up for one can go on with the other."""
    one, other = before.streams.video[0].codec_context, after.streams.video[0].codec_context
    return (one.name, one.extradata) == (other.name, other.extradata)  # which have size and rate in them


def _copy(
    before: av.container.InputContainer, after: av.container.InputContainer, target: av.container.OutputContainer
) -> None:
    stream = target.add_stream_from_template(before.streams.video[0])
    end = Fraction(0)  # of what is written, in seconds
    for clip in (before, after):
        start = end
        for packet in clip.demux(clip.streams.video[0]):
            if packet.pts is None or packet.dts is None:  # the last packet of a demuxer is empty
                continue
            shift = int(start / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            packet.stream = stream
            target.mux(packet)


def _encode(
    before: av.container.InputContainer, after: av.container.InputContainer, target: av.container.OutputContainer
) -> None:
    first = before.streams.video[0]
    stream = target.add_stream("libx264", rate=first.average_rate or 24, options=LOSSLESS)
    stream.width, stream.height = first.width, first.height
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = CLOCK
    stream.codec_context.thread_count = 1
    for frame, seconds in _frames(before, after):
        picture = frame.reformat(stream.width, stream.height, "yuv420p")
        picture.pts, picture.time_base = round(seconds / CLOCK), CLOCK
        target.mux(stream.encode(picture))
    target.mux(stream.encode(None))


def _frames(*clips: av.container.InputContainer) -> Iterator[tuple[av.VideoFrame, Fraction]]:
    """Decode clips one after the other; each frame with its time in seconds."""
    start = Fraction(0)
    for clip in clips:
        stream = clip.streams.video[0]
        length = 1 / Fraction(stream.average_rate or 24)
        begun, last = None, Fraction(0)
        for frame in clip.decode(stream):
            at = (frame.pts or 0) * (frame.time_base or CLOCK)
            begun = at if begun is None else begun
            last = at - begun
            yield frame, start + last
        start += last + length
