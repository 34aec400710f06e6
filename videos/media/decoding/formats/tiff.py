"""TIFF: the size of its first picture. Source: TIFF 6.0."""

import struct

from ..errors import NotAPicture
from .header import Header, unreadable

SIGNATURES = (b"II*\0", b"MM\0*")
SUBFILE_TYPE, WIDTH, HEIGHT, ORIENTATION, DNG_VERSION = 254, 256, 257, 274, 50706
SIDEWAYS = (5, 6, 7, 8)  # orientations
IS_PREVIEW = 1  # bit of the subfile type
SIZES = {1: "B", 3: "H", 4: "I"}  # struct's codes by type: BYTE, SHORT and LONG
CAMERA_RAW = "This is a raw file of a camera. Export the picture as a JPEG, and upload that."


def header(data: bytes) -> Header:
    """Return the size of the first picture, upright. Raises NotAPicture."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    values: dict[int, int] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if kind in SIZES:
            (values[tag],) = struct.unpack_from(order + SIZES[kind], data, entry + 8)
    if DNG_VERSION in values or values.get(SUBFILE_TYPE, 0) & IS_PREVIEW or data[8:10] == b"CR":
        raise NotAPicture(CAMERA_RAW)
    if WIDTH not in values or HEIGHT not in values:
        raise unreadable("TIFF")
    width, height = values[WIDTH], values[HEIGHT]
    if values.get(ORIENTATION) in SIDEWAYS:
        width, height = height, width
    return Header("TIFF", width, height)
