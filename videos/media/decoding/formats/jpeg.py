"""JPEG. Source: ITU-T T.81 annex B; ICC.1 annex B.4 (profiles in APP2)."""

import re
import struct
from collections.abc import Iterator

from .header import MAX_PROFILE, Contents, Header, unreadable

SIGNATURE = b"\xff\xd8\xff"
# SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC), which are not frame headers.
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN, TEMPORARY = 0xD8, 0xD9, 0xDA, 0x01
# Within a scan, FF is followed by 00 if it is data, and by D0 to D7 where the decoder may resynchronise.
MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
APP0, APP1, APP2, APP14, APP15, COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
# Both say how colours are stored: JFIF as YCbCr, Adobe in its last byte.
JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
ADOBE, ADOBE_LENGTH = b"Adobe", 12
EXIF, ICC = b"Exif\0", b"ICC_PROFILE\0"


def header(data: bytes) -> Header:
    """Return the size and the number of scans. Raises NotAPicture."""
    scans = 0
    size: tuple[int, int] | None = None
    for kind, start, _ in _segments(data):
        if kind in FRAME_HEADERS and size is None:
            height, width = struct.unpack_from(">HH", data, start + 3)
            size = width, height
        scans += kind == START_OF_SCAN
    if size is None or not scans:
        raise unreadable("JPEG")
    return Header("JPEG", *size, scans)


def contents(data: bytes) -> Contents:
    """Return the file without metadata, thumbnails and further pictures, and its profile and EXIF data."""
    kept, profile, exif = [data[:2]], {}, b""
    for kind, start, end in _segments(data):
        body = data[start + 2 : end]
        if kind == START_OF_SCAN:
            kept.append(data[start - 2 :])
            break
        if kind == APP0 and body.startswith(b"JFIF"):
            kept.append(JFIF)
        elif kind == APP1 and body.startswith(EXIF):
            exif = exif or body
        elif kind == APP2 and body.startswith(ICC) and len(body) > len(ICC) + 2:
            profile[body[len(ICC)]] = body[len(ICC) + 2 :]
        elif _is_decoded(kind, body):
            kept.append(data[start - 2 : end])
    whole = b"".join(profile[number] for number in sorted(profile))
    return Contents(b"".join(kept), whole if len(whole) <= MAX_PROFILE else b"", exif)


def _is_decoded(kind: int, body: bytes) -> bool:
    if kind == APP14:
        return body.startswith(ADOBE) and len(body) >= ADOBE_LENGTH
    return not (APP0 <= kind <= APP15 or kind == COMMENT)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each segment, and where its length and its end are; stop at the end of the first picture."""
    at = 2
    while marker := MARKER.search(data, at):
        kind, at = marker[1][0], marker.end()
        if kind == END_OF_IMAGE:
            return
        if kind in (TEMPORARY, START_OF_IMAGE):
            continue  # these markers have no contents
        (length,) = struct.unpack_from(">H", data, at)
        end = at + max(2, length)
        yield kind, at, end
        at = end
