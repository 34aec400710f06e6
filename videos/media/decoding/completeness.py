"""Check that an MP4 file is whole: its boxes fit its length, and its packets reach the duration in its header.

Nothing is decoded. Source of the boxes: ISO/IEC 14496-12.
"""

import os
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import av

from . import demuxing
from .errors import Incomplete, NotAVideo

# Boxes of the top level. If one of these is cut off, the file is; other bytes after the last box are not part of the
# MP4, and players ignore them.
TOP_LEVEL = frozenset(
    b"ftyp styp pdin moov moof mfra mdat free skip wide uuid meta meco sidx ssix emsg prft udta".split()
)
SLACK = 0.25  # seconds by which a header may exceed its packets: muxers round, and omit a last duration
MAX_BOXES = 100_000  # in one box or on the top level: an hour of fragments of a tenth of a second has 72,000
MAX_EDITS = 10_000  # of one track; muxers write one or two
MAX_SLACK = 1.0  # seconds; the same for packets so long that two of them exceed SLACK
TOO_MANY_BOXES = "The file is damaged: it is made of too many boxes."
UNKNOWN_DURATIONS = (2**32 - 1, 2**64 - 1)


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type, and where its contents start and end in the file (bytes)."""

    kind: bytes
    start: int
    end: int


@dataclass(slots=True)
class Header:
    """What the boxes state: duration in seconds (0: unknown), and the longest delay of a track in seconds."""

    duration: float = 0.0
    delay: float = 0.0
    kinds: list[bytes] = field(default_factory=list)  # of the boxes on the top level, in their order


def check_whole(file: BinaryIO) -> None:
    """Raise Incomplete if a part of this MP4 file is missing, or NotAVideo if it is something else."""
    size = file.seek(0, os.SEEK_END)
    _check_kind(_read_at_most(file, 0, 64))
    header = _read_header(file, size)
    _check_packets(file, header)


# ── Boxes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _check_kind(head: bytes) -> None:
    if not head:
        raise NotAVideo("The file is empty.")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!", b"<html", b"<head", b"<body", b"<?xml")):
        raise NotAVideo("The link gave a web page instead of a video.")
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8")) or (head[:4], head[8:12]) == (b"RIFF", b"WEBP"):
        raise NotAVideo("The link gave a picture instead of a video.")
    if head[4:8] not in TOP_LEVEL:
        raise NotAVideo("The link gave something other than an MP4 file.")


def _read_header(file: BinaryIO, size: int) -> Header:
    """Read the boxes of the top level to the end of the file, and what the moov box states."""
    header = Header()
    for box in _top_level(file, size):
        header.kinds.append(box.kind)
        if box.kind == b"moov":
            _read_moov(file, box, header)
        elif box.kind == b"sidx":
            header.duration = max(header.duration, _read_sidx(file, box, size))
    if b"moov" not in header.kinds:
        raise Incomplete("The file is incomplete: its index is missing.")
    if b"mdat" not in header.kinds or b"moof" in header.kinds[_last(header.kinds, b"mdat") :]:
        raise Incomplete("The file is incomplete: its pictures are missing.")
    return header


def _last(kinds: list[bytes], kind: bytes) -> int:
    return len(kinds) - 1 - kinds[::-1].index(kind)


def _top_level(file: BinaryIO, size: int) -> Iterator[Box]:
    at, boxes = 0, 0
    seen: set[bytes] = set()
    while size - at >= 8:
        kind, start, end = _box_at(file, at, size)
        if kind not in TOP_LEVEL and not start <= end <= size:
            if {b"moov", b"mdat"} <= seen:
                return
            raise NotAVideo("The file is damaged: it is not made of MP4 boxes.")
        if end > size:
            raise Incomplete(f"The file is incomplete: it ends after {size:,} of at least {end:,} bytes.")
        if end < start:
            raise NotAVideo("The file is damaged: it is not made of MP4 boxes.")
        seen.add(kind)
        boxes += 1
        if boxes > MAX_BOXES:
            raise NotAVideo(TOO_MANY_BOXES)
        yield Box(kind, start, end)
        at = end


def _box_at(file: BinaryIO, at: int, limit: int) -> tuple[bytes, int, int]:
    """Return the type of a box, the start of its contents, and the end that it states, which may be anywhere."""
    size, kind = struct.unpack(">I4s", _read(file, at, 8))
    if size == 1:
        # A size of 64 bits follows; if that is cut off, so is the box.
        size = struct.unpack(">Q", _read(file, at + 8, 8))[0] if limit - at >= 16 else 16
        return kind, at + 16, at + size
    if size == 0 and kind in TOP_LEVEL:
        return kind, at + 8, limit  # the last box may reach to the end of the file
    return kind, at + 8, at + size


def _inside(file: BinaryIO, parent: Box) -> Iterator[Box]:
    """Yield the boxes in a box. Some writers end a list of boxes with four zero bytes."""
    at, boxes = parent.start, 0
    while parent.end - at >= 8:
        kind, start, end = _box_at(file, at, parent.end)
        boxes += 1
        if boxes > MAX_BOXES:
            raise NotAVideo(TOO_MANY_BOXES)
        if not start <= end <= parent.end:
            raise NotAVideo("The file is damaged: the boxes of its index do not fit.")
        yield Box(kind, start, end)
        at = end


def _read_at_most(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _read(file: BinaryIO, at: int, length: int) -> bytes:
    data = _read_at_most(file, at, length)
    if len(data) < length:
        raise Incomplete("The file is incomplete: it ends within its index.")
    return data


def _read_moov(file: BinaryIO, moov: Box, header: Header) -> None:
    scale, duration, plain = 0, 0, True
    delay = 0
    for box in _inside(file, moov):
        if box.kind == b"mvhd":
            version, *_ = _read(file, box.start, 1)
            form, length = (">IQ", 12) if version == 1 else (">II", 8)
            scale, stated = struct.unpack(form, _read(file, box.start + (20 if version == 1 else 12), length))
            duration = max(duration, 0 if stated in UNKNOWN_DURATIONS else stated)
        elif box.kind == b"mvex":
            for extension in _inside(file, box):
                if extension.kind == b"mehd":
                    version, *_ = _read(file, extension.start, 1)
                    form, length = (">Q", 8) if version == 1 else (">I", 4)
                    (stated,) = struct.unpack(form, _read(file, extension.start + 4, length))
                    duration = max(duration, 0 if stated in UNKNOWN_DURATIONS else stated)
        elif box.kind == b"trak":
            late, simple = _read_edits(file, box)
            delay, plain = max(delay, late), plain and simple
    if scale and plain:
        header.duration = max(header.duration, duration / scale)
        header.delay = delay / scale


def _read_edits(file: BinaryIO, trak: Box) -> tuple[int, bool]:
    """Return the delay of a track in the movie's time scale, and whether its edits only shift and trim.

    Edits that repeat or stretch the media make a movie longer than its packets.
    """
    lists = [
        inner for box in _inside(file, trak) if box.kind == b"edts" for inner in _inside(file, box)
        if inner.kind == b"elst"
    ]  # fmt: skip
    if not lists:
        return 0, True
    version, count = struct.unpack(">B3xI", _read(file, lists[0].start, 8))
    form = struct.Struct(">Qqhh" if version == 1 else ">Iihh")
    count = min(count, (lists[0].end - lists[0].start - 8) // form.size)
    if count > MAX_EDITS:
        raise NotAVideo("The file is damaged: a track has too many edits.")
    edits = list(form.iter_unpack(_read(file, lists[0].start + 8, count * form.size)))
    shown = [edit for edit in edits if edit[1] != -1]
    late = sum(length for length, at, *_ in edits if at == -1)
    return late, len(shown) <= 1 and all(edit[2:] == (1, 0) for edit in shown)


def _read_sidx(file: BinaryIO, sidx: Box, size: int) -> float:
    """Return the duration (s) that a segment index states; raise Incomplete if segments are missing."""
    version, scale = struct.unpack(">B7xI", _read(file, sidx.start, 12))
    form, length = (">QQ2xH", 20) if version == 1 else (">II2xH", 12)
    _, offset, count = struct.unpack(form, _read(file, sidx.start + 12, length))
    count = min(count, (sidx.end - sidx.start - 12 - length) // 12)
    parts = list(struct.iter_unpack(">III", _read(file, sidx.start + 12 + length, count * 12)))
    end = sidx.end + offset + sum(part[0] & 0x7FFFFFFF for part in parts)
    if end > size:
        raise Incomplete(f"The file is incomplete: it ends after {size:,} of at least {end:,} bytes.")
    return sum(part[1] for part in parts) / scale if scale else 0.0


# ── Packets ───────────────────────────────────────────────────────────────────────────────────────────────────


def _check_packets(file: BinaryIO, header: Header) -> None:
    """Read every packet without decoding it."""
    counts: Counter[int] = Counter()
    starts: dict[int, float] = {}
    ends: dict[int, float] = {}
    longest = 0.0
    # Without the edit lists, with which the demuxer omits packets that a whole file has.
    with demuxing.opened(file, ignore_editlist="1") as (container, pictures):
        for packet in container.demux():
            if not packet.size:
                continue  # marks the end of a stream
            stream = packet.stream
            if packet.is_corrupt or not _is_framed(packet, stream):
                raise Incomplete("The file is incomplete: some of its pictures are cut off.")
            counts[stream.index] += 1
            span = float((packet.duration or 0) * packet.time_base)
            longest = max(longest, span)
            if packet.pts is not None:
                at = float(packet.pts * packet.time_base)
                starts[stream.index] = min(starts.get(stream.index, at), at)
                ends[stream.index] = max(ends.get(stream.index, at), at + span)
        # The demuxer does not return the packets of other streams, such as chapter titles.
        for stream in (pictures, *container.streams.audio):
            if counts[stream.index] < stream.frames:
                raise Incomplete(
                    f"The file is incomplete: it has {counts[stream.index]:,} of {stream.frames:,} packets."
                )
        if not counts[pictures.index]:
            raise Incomplete("The file is incomplete: its pictures are missing.")
    reached = max((end - starts[index] for index, end in ends.items()), default=0.0) + header.delay
    if reached + max(SLACK, min(2 * longest, MAX_SLACK)) < header.duration:
        raise Incomplete(f"The file is incomplete: it has {reached:.1f} of {header.duration:.1f} seconds.")


def _is_framed(packet: av.Packet, stream: av.stream.Stream) -> bool:
    """Tell whether an H.264 or HEVC packet consists of whole units, unlike one in which zeros replace missing bytes."""
    context = stream.codec_context
    extra = (context and context.extradata) or b""
    at_byte = {"h264": 4, "hevc": 21}.get(context.name) if context else None
    if at_byte is None or len(extra) <= at_byte or extra[0] != 1:
        return True
    width = (extra[at_byte] & 3) + 1
    data, at, units = memoryview(packet), 0, 0
    while at + width <= len(data):
        length = int.from_bytes(data[at : at + width], "big")
        units += bool(length)
        at += width + length
    return at == len(data) and units > 0
