"""Picture files as people bring them: many formats, colour spaces and kinds of damage."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
from PIL import Image

from videos.media.decoding import headers, pictures

SIZE = (64, 48)
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_RGB = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
D65 = (0.3127, 0.3290)
D50 = np.array([0.96420, 1.0, 0.82491])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

pillow_heif.register_heif_opener()


def gradient(size: tuple[int, int] = SIZE) -> Image.Image:
    """Smooth colours, which an encoder hardly changes: red grows to the right, green downwards; blue is even."""
    width, height = size
    red, green = np.meshgrid(np.linspace(20, 235, width), np.linspace(30, 220, height))
    return Image.fromarray(np.stack([red, green, np.full_like(red, 90)], axis=-1).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(image: Image.Image, **options: object) -> bytes:
    return encoded(image, "JPEG", quality=95, **({} if image.mode == "CMYK" else {"subsampling": 0}), **options)


# ── PNG ───────────────────────────────────────────────────────────────────────────────────────────────────────


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(rows: np.ndarray, depth: int, colour_type: int, *chunks: bytes) -> bytes:
    """A PNG of rows of samples: (height, width) or (height, width, channels), with these chunks after the header."""
    height, width = rows.shape[:2]
    if depth == 16:
        lines = rows.astype(">u2").reshape(height, -1).view(np.uint8)
    elif depth == 8:
        lines = rows.astype(np.uint8).reshape(height, -1)
    else:
        bits = np.unpackbits(rows.astype(np.uint8)[..., None], axis=-1)[..., -depth:]
        lines = np.packbits(bits.reshape(height, -1), axis=-1)
    data = b"".join(b"\0" + line.tobytes() for line in lines)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    end = chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + end


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with these chunks after its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile))


# ── JPEG ──────────────────────────────────────────────────────────────────────────────────────────────────────


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def with_segments(data: bytes, *segments: bytes) -> bytes:
    """A JPEG with these segments after its first marker."""
    return data[:2] + b"".join(segments) + data[2:]


# ── Profiles ──────────────────────────────────────────────────────────────────────────────────────────────────


def _tagged(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body, at = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, at, len(data))
        body += data
        at += len(data)
    head = struct.pack(">I4sI4s4s4s12s4s", at, b"", 0x02400000, kind, space, connection, b"", b"acsp").ljust(68, b"\0")
    return (head + _fixed(D50)).ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _fixed(values: np.ndarray) -> bytes:
    return struct.pack(">3i", *(round(float(value) * 65536) for value in values))


def _described(name: str) -> bytes:
    text = name.encode() + b"\0"
    return b"desc" + struct.pack(">II", 0, len(text)) + text + bytes(78)


def rgb_matrix(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """X, Y, Z (D50) of red, green and blue, in columns."""

    def xyz(point: tuple[float, float]) -> np.ndarray:
        return np.array([point[0] / point[1], 1, (1 - point[0] - point[1]) / point[1]])

    colours = np.stack([xyz(point) for point in primaries], axis=1)
    white = xyz(D65)
    matrix = colours * np.linalg.solve(colours, white)
    adapt = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ white)) @ BRADFORD
    return adapt @ matrix


def rgb_profile(primaries: tuple[tuple[float, float], ...], gamma: float = 2.2) -> bytes:
    matrix = rgb_matrix(primaries)
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))
    tags = {b"desc": _described("Test RGB"), b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50)}
    for place, name in enumerate((b"r", b"g", b"b")):
        tags |= {name + b"XYZ": b"XYZ \0\0\0\0" + _fixed(matrix[:, place]), name + b"TRC": curve}
    return _tagged(b"mntr", b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))
    tags = {b"desc": _described("Test grey"), b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50), b"kTRC": curve}
    return _tagged(b"mntr", b"GRAY", b"XYZ ", tags)


def cmyk_profile() -> bytes:
    """A printer whose inks are dull: its colours are far from those of 255 - ink."""
    inks = np.array([[0.15, 0.45, 0.65], [0.70, 0.15, 0.40], [0.92, 0.85, 0.10], [0.12, 0.12, 0.13]])
    steps = np.stack(np.meshgrid(*[np.linspace(0, 1, 9)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    light = np.prod(1 - steps[:, :, None] * (1 - inks[None]), axis=1)
    xyz = (light**2.2) @ rgb_matrix(((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))).T
    ratio = xyz / D50
    cube = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    lab = np.stack([116 * cube[:, 1] - 16, 500 * (cube[:, 0] - cube[:, 1]), 200 * (cube[:, 1] - cube[:, 2])], axis=-1)
    coded = np.clip(np.round(np.stack([lab[:, 0] * 2.55, lab[:, 1] + 128, lab[:, 2] + 128], axis=-1)), 0, 255)
    table = b"mft1" + struct.pack(">I4B9i", 0, 4, 3, 9, 0, *(65536 * (place % 4 == 0) for place in range(9)))
    linear = bytes(range(256))
    table += linear * 4 + coded.astype(np.uint8).tobytes() + linear * 3
    tags = {b"desc": _described("Test CMYK"), b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50)}
    tags |= dict.fromkeys((b"A2B0", b"A2B1", b"A2B2"), table)
    return _tagged(b"prtr", b"CMYK", b"Lab ", tags)


def cmyk() -> Image.Image:
    cyan, yellow = np.meshgrid(np.linspace(0, 200, SIZE[0]), np.linspace(0, 220, SIZE[1]))
    inks = [cyan, np.full_like(cyan, 60), yellow, np.full_like(cyan, 20)]
    return Image.fromarray(np.stack(inks, axis=-1).astype(np.uint8), "CMYK")


# ── References ────────────────────────────────────────────────────────────────────────────────────────────────


def shown(linear: np.ndarray) -> np.ndarray:
    """Linear sRGB light as samples of 8 bits."""
    light = np.clip(linear, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def from_primaries(samples: np.ndarray, primaries: tuple[tuple[float, float], ...], gamma: float) -> np.ndarray:
    """Samples (0 to 255) of an RGB space as sRGB samples, by arithmetic."""
    srgb = rgb_matrix(((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)))
    linear = (np.asarray(samples, dtype=float) / 255) ** gamma
    return shown(linear @ (np.linalg.inv(srgb) @ rgb_matrix(primaries)).T)


def rendered(data: bytes) -> np.ndarray:
    """Return the samples before they are encoded as a JPEG."""
    return np.asarray(pictures._decode(data, headers.read_header(data)), dtype=float)


def difference(data: bytes, reference: np.ndarray) -> tuple[float, float]:
    """The mean and the largest difference of a picture file from RGB samples."""
    with Image.open(io.BytesIO(data)) as image:
        samples = np.asarray(image.convert("RGB"), dtype=float)
    assert samples.shape == reference.shape, f"{samples.shape} instead of {reference.shape}"
    away = np.abs(samples - reference)
    return float(away.mean()), float(away.max())


def greys(samples: np.ndarray) -> np.ndarray:
    """Grey samples as RGB."""
    return np.repeat(np.asarray(samples, dtype=float)[..., None], 3, axis=-1)
