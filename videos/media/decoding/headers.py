"""Recognise a picture by its first bytes, and read its size and metadata; nothing is decoded."""

import struct

from .errors import NotAPicture
from .formats import bmp, gif, heif, jpeg, png, tiff, webp
from .formats.header import TAKEN, UNREADABLE, Contents, Header, unreadable

NAMES = {"WEBP": "WebP", "HEIF": "HEIC"}  # that differ from Pillow's
# Formats that are not taken: where their first bytes are, the bytes, and a name.
OTHERS = (
    (0, b"%PDF", "a PDF document"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"JXL \r\n", "a JPEG XL picture"),
    (4, b"jP  \r\n", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"II\xbc", "a JPEG XR picture"),
    (0, b"v/1\x01", "an OpenEXR picture"),
    (0, b"#?RADIANCE", "a Radiance picture"),
    (0, b"II+\0", "a BigTIFF picture"),
    (0, b"MM\0+", "a BigTIFF picture"),
    (0, b"\0\0\x01\0", "an icon"),
    (0, b"PK\x03\x04", "an archive or a document"),
)


def name_of(header: Header) -> str:
    """Return the name of the format that people know."""
    return NAMES.get(header.kind, header.kind)


def read_header(data: bytes) -> Header:
    """Read a picture's header. Raises NotAPicture, which names a known format that is not taken."""
    try:
        if header := _header(data):
            return header
    except (struct.error, IndexError):
        # It ends within its header.
        raise NotAPicture(UNREADABLE) from None
    raise NotAPicture(_refusal(data))


def _header(data: bytes) -> Header | None:
    if data.startswith(jpeg.SIGNATURE):
        return jpeg.header(data)
    if data.startswith(png.SIGNATURE):
        return png.header(data)
    if data.startswith(webp.SIGNATURE) and data[8:12] == webp.KIND:
        return webp.header(data)
    if data.startswith(gif.SIGNATURES):
        return gif.header(data)
    if data.startswith(tiff.SIGNATURES):
        return tiff.header(data)
    if data[4:8] == b"ftyp":
        return heif.header(data)
    return bmp.header(data) if data.startswith(bmp.SIGNATURE) else None


def _refusal(data: bytes) -> str:
    for at, signature, name in OTHERS:
        if data.startswith(signature, at):
            return f"This is {name}, not a picture we can read. Save it as a JPEG or PNG file, and upload that."
    if data.startswith((b"\x1aE\xdf\xa3", b"\0\0\x01\xba")) or data[:4] + data[8:12] == b"RIFFAVI ":
        return heif.VIDEO
    if b"<svg" in data[:1000].lower():
        return "This is an SVG drawing, not a picture we can read. Export it as a PNG file, and upload that."
    return UNREADABLE


def contents(data: bytes, header: Header) -> Contents:
    """Return the file for the decoder, apart from its metadata. Raises NotAPicture."""
    readers = {"JPEG": jpeg.contents, "PNG": png.contents, "HEIF": heif.contents, "AVIF": heif.contents}
    try:
        return readers.get(header.kind, Contents)(data)
    except (struct.error, IndexError):
        raise unreadable(name_of(header)) from None


__all__ = ["TAKEN", "UNREADABLE", "Contents", "Header", "contents", "name_of", "read_header", "unreadable"]
