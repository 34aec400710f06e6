"""PNG. Source: the PNG specification, third edition."""

import struct
import zlib
from collections.abc import Iterator

from ..errors import NotAPicture
from . import profiles
from .header import MAX_PROFILE, Contents, Header, unreadable

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 50_000  # encoders write chunks of 4 KB or more: 5,000 in the largest upload
# The chunks of the first picture. The decoder gets no text, profiles or further pictures: compressed text may be large.
DECODED = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
DESCRIBING = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"tRNS", b"eXIf")
IS_COLOURED = 2  # bit of the colour type
SRGB_GAMMA = 45_455  # of gAMA, in 1/100,000: what files with sRGB colours say
SRGB_PRIMARIES = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)  # of cHRM


def header(data: bytes) -> Header:
    """Return the size. Raises NotAPicture."""
    if data[12:16] != b"IHDR":
        raise unreadable("PNG")
    width, height = struct.unpack_from(">II", data, 16)
    return Header("PNG", width, height)


def contents(data: bytes) -> Contents:
    """Return the file without metadata and animation, and what it says of its colours. Raises NotAPicture."""
    kept, found = [SIGNATURE], dict.fromkeys(DESCRIBING, b"")
    for kind, start, end in _chunks(data):
        if kind in DECODED:
            kept.append(data[start:end])
        elif kind in found:
            found[kind] = found[kind] or data[start + 8 : end - 4]
    depth, colour_type = data[24], data[25]
    return Contents(
        b"".join(kept),
        _profile(found, is_grey=not colour_type & IS_COLOURED),
        found[b"eXIf"],
        found[b"tRNS"],
        depth,
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at, count = len(SIGNATURE), 0
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        yield kind, at, end
        at, count = end, count + 1
        if count > MAX_CHUNKS:
            raise NotAPicture("The picture is made of too many parts. Save it again as a JPEG or PNG file.")
        if kind == b"IEND":
            return


def _profile(found: dict[bytes, bytes], *, is_grey: bool) -> bytes:
    """Return the ICC profile of the chunk with the highest precedence; none for sRGB."""
    if len(found[b"cICP"]) == 4 and not is_grey:
        return profiles.from_code_points(found[b"cICP"][0], found[b"cICP"][1])
    if profile := _inflated(found[b"iCCP"]):
        return profile
    if found[b"sRGB"] or len(found[b"gAMA"]) != 4:
        return b""
    (gamma,) = struct.unpack(">I", found[b"gAMA"])
    primaries = struct.unpack(">8I", found[b"cHRM"]) if len(found[b"cHRM"]) == 32 else SRGB_PRIMARIES
    if not gamma or (abs(gamma - SRGB_GAMMA) < 500 and all(_near(primaries))):
        return b""
    if is_grey:
        return profiles.grey(100_000 / gamma)
    return profiles.from_primaries([value / 100_000 for value in primaries], 100_000 / gamma)


def _near(primaries: tuple[int, ...]) -> list[bool]:
    return [abs(value - wanted) < 200 for value, wanted in zip(primaries, SRGB_PRIMARIES, strict=True)]


def _inflated(chunk: bytes) -> bytes:
    """Return the profile of an iCCP chunk; nothing if it is damaged or too large."""
    _, _, rest = chunk.partition(b"\0")
    inflate = zlib.decompressobj()
    try:
        profile = inflate.decompress(rest[1:], MAX_PROFILE)
    except zlib.error:
        return b""
    return profile if inflate.eof else b""
