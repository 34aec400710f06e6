"""GIF. Source: the GIF89a specification."""

import struct

from .header import Header, unreadable

SIGNATURES = (b"GIF87a", b"GIF89a")
EXTENSION, IMAGE = 0x21, 0x2C
MAX_BLOCKS = 100_000  # before the first picture


def header(data: bytes) -> Header:
    """Return the size of the canvas with its first picture, which may be larger. Raises NotAPicture."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + _palette_size(flags)
    for _ in range(MAX_BLOCKS):
        if data[at] == IMAGE:
            left, top, own_width, own_height = struct.unpack_from("<HHHH", data, at + 1)
            return Header("GIF", max(width, left + own_width), max(height, top + own_height))
        if data[at] != EXTENSION:
            break
        at += 2
        while size := data[at]:
            at += 1 + size
        at += 1
    raise unreadable("GIF")


def _palette_size(flags: int) -> int:
    return 3 * 2 ** (1 + (flags & 7)) if flags & 0x80 else 0
