"""Read the size of a JPEG, PNG or WebP picture, and its number of scans, from its headers; nothing is decoded.

Sources: ITU-T T.81 annex B (JPEG), the PNG specification, RFC 9649 (WebP).
"""

import re
import struct
from dataclasses import dataclass

from .errors import NotAPicture

UNREADABLE = "This is not a picture we can read. Use a JPEG, PNG or WebP file."
PNG, WEBP = b"\x89PNG\r\n\x1a\n", b"WEBP"
MAX_CHUNKS = 50_000  # of a PNG: at 4 KB each, 200 MB
# The chunks of a PNG that make its first picture. Text, profiles and the other pictures of an animation are removed:
# they are not used, and compressed text may be large.
USED_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")
# SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC), which are not frame headers.
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
# Within a scan, FF is followed by 00 if it is data, and by D0 to D7 where the decoder may resynchronise.
MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")


@dataclass(frozen=True, slots=True)
class Header:
    """Format, width and height in pixels, and the number of scans: how often a decoder reads all pixels."""

    kind: str
    width: int
    height: int
    scans: int = 1

    @property
    def pixels(self) -> int:
        return self.width * self.height


def read_header(data: bytes) -> Header:
    """Read a picture's header; raise NotAPicture for anything but a JPEG, PNG or WebP."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(PNG):
            return _png(data)
        if data[:4] == b"RIFF" and data[8:12] == WEBP:
            return _webp(data)
    except (struct.error, IndexError):
        # It ends within its header.
        raise NotAPicture(UNREADABLE) from None
    raise NotAPicture(UNREADABLE)


def _jpeg(data: bytes) -> Header:
    at, scans = 2, 0
    size: tuple[int, int] | None = None
    while marker := MARKER.search(data, at):
        kind, at = marker[1][0], marker.end()
        if kind == END_OF_IMAGE:
            break
        if kind in (0x01, 0xD8):
            continue  # these markers have no contents
        (length,) = struct.unpack_from(">H", data, at)
        if kind in FRAME_HEADERS and size is None:
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = width, height
        scans += kind == START_OF_SCAN
        at += max(2, length)
    if size is None or not scans:
        raise NotAPicture(UNREADABLE)
    return Header("JPEG", *size, scans)


def _png(data: bytes) -> Header:
    if data[12:16] != b"IHDR":
        raise NotAPicture(UNREADABLE)
    width, height = struct.unpack_from(">II", data, 16)
    return Header("PNG", width, height)


def without_extras(png: bytes) -> bytes:
    """Return a PNG with only the chunks that make its first picture. Raises NotAPicture."""
    kept, at, chunks = [PNG], len(PNG), 0
    while at + 12 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        end = at + 12 + length
        if kind in USED_CHUNKS:
            kept.append(png[at:end])
        at, chunks = end, chunks + 1
        if chunks > MAX_CHUNKS:
            raise NotAPicture("The picture is made of too many parts. Save it again as a JPEG or PNG file.")
        if kind == b"IEND":
            break
    return b"".join(kept)


def _webp(data: bytes) -> Header:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise NotAPicture(UNREADABLE)
    return Header("WEBP", width, height)
