"""HEIC and AVIF. Sources: ISO/IEC 14496-12 (boxes), 23008-12 (HEIF), 23000-22 (MIAF), 23091-2 (colours)."""

import struct
from collections.abc import Iterator

from ..errors import NotAPicture
from . import profiles
from .header import Contents, Header, unreadable
from .tiff import CAMERA_RAW

AVIF_BRANDS = frozenset((b"avif", b"avis"))
HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
RAW_BRANDS = frozenset((b"crx ",))
VIDEO = "This is a video. Upload a picture, or choose a frame from a video of the gallery."
MAX_BOXES = 20_000
# The boxes on the way to the properties, and the bytes before their first inner box: `meta` has a version and flags.
CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0}


def header(data: bytes) -> Header:
    """Return the size of the largest picture that the file states. Raises NotAPicture."""
    (length,) = struct.unpack_from(">I", data)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(length, 256), 4))}
    if brands & RAW_BRANDS:
        raise NotAPicture(CAMERA_RAW)
    kind = "AVIF" if brands & AVIF_BRANDS else "HEIF"
    if not brands & (AVIF_BRANDS | HEIF_BRANDS):
        raise NotAPicture(VIDEO)
    sizes = [struct.unpack_from(">II", data, start + 4) for box, start, _ in _boxes(data) if box == b"ispe"]
    if not sizes or not _is_whole(data):
        raise unreadable(kind if kind == "AVIF" else "HEIC")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Header(kind, width, height, at_most=True)


def contents(data: bytes) -> Contents:
    """Return the file without EXIF data, and a profile made of its colour codes.

    Other boxes state the orientation. An ICC profile stays in the file and has precedence.
    """
    profile, items = b"", []
    for kind, start, end in _boxes(data):
        if kind == b"colr" and data[start : start + 4] == b"nclx" and not profile:
            primaries, transfer = struct.unpack_from(">HH", data, start + 4)
            profile = profiles.from_code_points(primaries, transfer)
        elif kind == b"infe":
            items.append(data.find(b"Exif", start + 4, min(start + 16, end)))
    edited = bytearray(data)
    for at in items:
        if at >= 0:
            edited[at : at + 4] = b"none"
    return Contents(bytes(edited), profile)


def _is_whole(data: bytes) -> bool:
    """Return whether no box ends after the file: a decoder may leave out the tiles of a truncated picture."""
    at = 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if size < 8:
            return size == 0
        at += size
    return at <= len(data)


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of the contents of each box, in the file and below `meta`; stop at a damaged one."""
    places = [(0, len(data))]
    left = MAX_BOXES
    while places:
        at, end = places.pop()
        while at + 8 <= end:
            size, kind = struct.unpack_from(">I4s", data, at)
            start = at + 8
            if size == 1:
                (size,) = struct.unpack_from(">Q", data, start)
                start += 8
            stop = end if size == 0 else min(end, at + size)
            left -= 1
            if stop < start or not left:
                return
            if kind in CONTAINERS:
                places.append((start + CONTAINERS[kind], stop))
            elif kind == b"iinf":
                places.append((start + (6 if data[start : start + 1] == b"\0" else 8), stop))
            else:
                yield kind, start, stop
            at = stop
