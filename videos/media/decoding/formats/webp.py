"""WebP. Source: RFC 9649."""

import struct

from .header import Header, unreadable

SIGNATURE, KIND = b"RIFF", b"WEBP"


def header(data: bytes) -> Header:
    """Return the size. Raises NotAPicture."""
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise unreadable("WebP")
    return Header("WEBP", width, height)
