"""BMP. Source: Microsoft's BITMAPCOREHEADER and BITMAPINFOHEADER."""

import struct

from .header import Header

SIGNATURE = b"BM"
CORE_HEADER = 12  # bytes


def header(data: bytes) -> Header:
    """Return the size."""
    (length,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if length == CORE_HEADER else "<ii", data, 18)
    return Header("BMP", abs(width), abs(height))  # a negative height means: from top to bottom
