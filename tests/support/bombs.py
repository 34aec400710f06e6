"""Make small files that exhaust memory, processor time or a parser."""

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from videos.media.decoding.headers import read_header

from .sample_videos import noise_video

# ── Pictures ──────────────────────────────────────────────────────────────────────────────────────────────────


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(size: tuple[int, int] = (64, 48), mode: str = "RGB") -> Image.Image:
    width, height = size
    pixels = np.random.default_rng(1).integers(0, 255, (height, width, len(mode)), dtype=np.uint8)
    return Image.fromarray(pixels)


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header has this size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def png_with(png: bytes, *chunks: bytes) -> bytes:
    """A PNG with these chunks behind its header."""
    return png[:33] + b"".join(chunks) + png[33:]


def png_with_text(count: int) -> bytes:
    """A PNG with so many texts, each of 50 MB when it is decompressed."""
    return png_with(encoded(noise(), "PNG"), *[chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50 << 20)))] * count)


def jpeg_with_scans(count: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A progressive JPEG whose last scan is repeated until there are so many."""
    data = encoded(Image.new("RGB", size, "gray"), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * (count - read_header(data).scans) + data[-2:]


def animation(kind: str, count: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A PNG or WebP of so many pictures, of which no two neighbours are equal."""
    shades = [Image.new("RGB", size, (255, number % 250, 0)) for number in range(count)]
    return encoded(shades[0], kind, save_all=True, append_images=shades[1:])


def a_large_photo(megabytes: int = 19) -> bytes:
    """A PNG of 50 megapixels with transparency, filled up with a chunk that nobody needs: 200 MB when it is decoded."""
    data = encoded(Image.new("RGBA", (7071, 7071), (200, 30, 30, 128)), "PNG", compress_level=1)
    return png_with(data, chunk(b"teSt", bytes((megabytes << 20) - len(data))))


# ── Videos ────────────────────────────────────────────────────────────────────────────────────────────────────


def place_of(data: bytes, *path: bytes) -> list[int]:
    """Where each of these boxes, one within the other, starts in a well-formed MP4."""
    found, at, end = [], 0, len(data)
    for kind in path:
        while data[at + 4 : at + 8] != kind:
            at += struct.unpack_from(">I", data, at)[0]
            assert at < end, kind
        found.append(at)
        at, end = at + 8, at + struct.unpack_from(">I", data, at)[0]
    return found


def with_contents(data: bytes, contents: bytes, *path: bytes) -> bytes:
    """An MP4 whose pictures stand before its index, with other contents of one box of the index."""
    places = place_of(data, *path)
    (size,) = struct.unpack_from(">I", data, places[-1])
    grown = len(contents) + 8 - size
    out = bytearray(data)
    for place in places:
        struct.pack_into(">I", out, place, struct.unpack_from(">I", data, place)[0] + grown)
    out[places[-1] + 8 : places[-1] + size] = contents
    return bytes(out)


def box(kind: bytes, *contents: bytes) -> bytes:
    data = b"".join(contents)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def ue(number: int) -> str:
    """An Exp-Golomb number as bits."""
    code = f"{number + 1:b}"
    return "0" * (len(code) - 1) + code


def nal(head: int, bits: str) -> bytes:
    """A unit of H.264: these bits, a stop bit, and the bytes that keep start codes out."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return bytes([head]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", data)


def grey_video(
    width: int,
    height: int,
    *,
    claims: tuple[int, int] | None = None,
    frames: int = 8,
    then: tuple[int, int] | None = None,
) -> bytes:
    """An H.264 video of grey pictures of this size in pixels (multiples of 16), a byte for every 256 pixels.

    `claims` is the size that its boxes say, `then` the one of all pictures but the first. Source: ITU-T H.264, 7.3.
    """
    sps, pps, first = grey_picture(width, height, 0)
    pictures = [[first]]
    for number in range(1, frames):
        pictures.append([*grey_picture(*(then or (width, height)), number % 2)])
    return an_mp4(pictures, sps, pps, claims or (width, height))


def grey_picture(width: int, height: int, number: int) -> tuple[bytes, bytes, bytes]:
    """The parameter sets and the one unit of a grey picture; `number` differs between neighbours."""
    across, down = width // 16, height // 16
    sps = ("01000010", "11000000", "00111110", ue(0), ue(0), ue(2), ue(1), "0", ue(across - 1), ue(down - 1), "1100")
    pps = (ue(0), ue(0), "00", ue(0), ue(0), ue(0), "000", ue(0), ue(0), ue(0), "000")
    # A macroblock: predicted from its neighbours, without a difference.
    blocks = (ue(3) + ue(0) + ue(0) + "1") * (across * down)
    unit = nal(0x65, ue(0) + ue(7) + ue(0) + "0000" + ue(number) + "00" + ue(0) + blocks)
    return nal(0x67, "".join(sps)), nal(0x68, "".join(pps)), unit


def an_mp4(pictures: list[list[bytes]], sps: bytes, pps: bytes, size: tuple[int, int]) -> bytes:
    """An MP4 of pictures that are units of H.264, a second each. Source: ISO/IEC 14496-12 and -15."""
    samples = [b"".join(struct.pack(">I", len(unit)) + unit for unit in picture) for picture in pictures]
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    duration = 1000 * len(samples)
    avcc = (
        bytes((1, *sps[1:4], 0xFF, 0xE1))
        + struct.pack(">H", len(sps))
        + sps
        + b"\1"
        + struct.pack(">H", len(pps))
        + pps
    )
    avc1 = bytes(6) + struct.pack(">H16xHHIIIH32xHh", 1, *size, 0x480000, 0x480000, 0, 1, 24, -1)
    head = box(b"ftyp", b"isom", bytes(4), b"isomavc1")
    mdat = box(b"mdat", *samples)
    table = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1), box(b"avc1", avc1, box(b"avcC", avcc))),
        box(b"stts", struct.pack(">4I", 0, 1, len(samples), 1000)),
        box(b"stsc", struct.pack(">5I", 0, 1, 1, len(samples), 1)),
        box(b"stsz", struct.pack(f">3I{len(samples)}I", 0, 0, len(samples), *map(len, samples))),
        box(b"stco", struct.pack(">3I", 0, 1, len(head) + 8)),
    )
    media = box(
        b"minf",
        box(b"vmhd", bytes(12)),
        box(b"dinf", box(b"dref", struct.pack(">II", 0, 1), box(b"url ", b"\0\0\0\1"))),
        table,
    )
    track = box(
        b"trak",
        box(
            b"tkhd",
            struct.pack(">5I", 3, 0, 0, 1, 0),
            struct.pack(">I16x", duration),
            matrix,
            struct.pack(">II", *(side << 16 for side in size)),
        ),
        box(
            b"mdia",
            box(b"mdhd", struct.pack(">5IHH", 0, 0, 0, 1000, duration, 0x55C4, 0)),
            box(b"hdlr", bytes(8), b"vide", bytes(12), b"\0"),
            media,
        ),
    )
    header = box(
        b"mvhd",
        struct.pack(">5IIH10x", 0, 0, 0, 1000, duration, 0x10000, 0x100),
        matrix,
        bytes(24),
        struct.pack(">I", 2),
    )
    return head + mdat + box(b"moov", header, track)


def video_of_many_boxes(folder: Path, count: int) -> bytes:
    return noise_video(folder / "plain.mp4", seconds=1) + struct.pack(">I4s", 8, b"free") * count


def video_with_edits(folder: Path, count: int) -> bytes:
    """A video whose list of edits shows its first moment over and over."""
    film = noise_video(folder / "plain.mp4", seconds=1)
    edits = struct.pack(">II", 0, count) + struct.pack(">Iihh", 1, 0, 1, 0) * count
    return with_contents(film, edits, b"moov", b"trak", b"edts", b"elst")


def video_with_packets(folder: Path, count: int) -> bytes:
    """A video whose index says that it has so many packets of a byte each, all in one place."""
    film = noise_video(folder / "plain.mp4", seconds=1)
    table = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
    film = with_contents(film, struct.pack(">III", 0, 1, count), *table, b"stsz")
    film = with_contents(film, struct.pack(">IIII", 0, 1, count, 1), *table, b"stts")
    return with_contents(film, struct.pack(">IIIII", 0, 1, 1, count, 1), *table, b"stsc")
