"""Decode pictures in this process: refused by the header, or decoded."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from videos.media.decoding import headers, pictures
from videos.media.decoding.errors import NotAPicture


def a_picture(kind: str, size=(64, 48), mode="RGB", **options) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red" if mode in ("RGB", "RGBA") else 1).save(out, kind, **options)
    return out.getvalue()


def noise(size=(64, 48)) -> Image.Image:
    width, height = size
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    facts, [jpeg] = pictures.frame(io.BytesIO(data))
    image = Image.open(io.BytesIO(jpeg))
    assert image.size == (facts["width"], facts["height"])
    return image


def with_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan is repeated."""
    data = encoded(noise(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    missing = count - headers.read_header(data).scans
    return data[:-2] + data[last:-2] * missing + data[-2:]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """Return a PNG with these chunks after its header."""
    return png[:33] + b"".join(chunks) + png[33:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(64, 48), (17, 1000), (1000, 17), (255, 256)])
def test_the_header_agrees_with_pillow(kind, size):
    for options in ({}, {"progressive": True}, {"lossless": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}):
        header = headers.read_header(a_picture(kind, size, **options))
        assert (header.kind, header.width, header.height) == (kind, *size)


def test_the_scans_of_a_jpeg_are_counted_without_its_preview():
    preview = encoded(noise((16, 16)), "JPEG", progressive=True)
    jpeg = encoded(noise(), "JPEG")
    assert headers.read_header(jpeg).scans == 1
    app = b"\xff\xe2" + struct.pack(">H", len(preview) + 2) + preview
    assert headers.read_header(jpeg[:2] + app + jpeg[2:] + preview).scans == 1
    assert headers.read_header(encoded(noise(), "JPEG", progressive=True)).scans == 10
    assert headers.read_header(with_scans(3000)).scans == 3000


def test_a_jpeg_with_too_many_scans_is_refused_before_it_is_decoded(monkeypatch):
    assert decoded(with_scans(pictures.MAX_SCANS)).size == (64, 48)
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(NotAPicture, match="JPEG of 3,000 scans with 64×48 pixels"):
        pictures.frame(io.BytesIO(with_scans(3000)))
    large = encoded(Image.new("L", (7000, 7000)), "JPEG", progressive=True)
    many = large[:-2] + large[large.rindex(b"\xff\xda") : -2] * 20 + large[-2:]
    with pytest.raises(NotAPicture, match="scans"):
        pictures.frame(io.BytesIO(many))


@pytest.mark.parametrize("size", [(60_000, 60_000), (20_001, 16), (7072, 7071)])
def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch, size):
    png = a_picture("PNG")
    ihdr = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(NotAPicture, match=f"{size[0]}×{size[1]} pixels"):
        pictures.frame(io.BytesIO(png[:8] + chunk(b"IHDR", ihdr) + png[33:]))


def test_a_jpeg_with_two_sizes_is_not_decoded_at_the_second():
    jpeg = encoded(noise(), "JPEG")
    at = jpeg.index(b"\xff\xc0")
    end = at + 2 + struct.unpack_from(">H", jpeg, at + 2)[0]
    huge = jpeg[at : at + 5] + struct.pack(">HH", 9000, 9000) + jpeg[at + 9 : end]
    with Image.open(io.BytesIO(jpeg[:end] + huge + jpeg[end:])) as image:
        assert image.size == (9000, 9000), "Pillow takes the last one"
    with pytest.raises(NotAPicture, match="not a picture we can read"):
        pictures.frame(io.BytesIO(jpeg[:end] + huge + jpeg[end:]))


def test_text_and_profiles_of_a_png_are_skipped():
    bomb = zlib.compress(bytes(50 * 1024 * 1024))
    text = [chunk(b"zTXt", b"Comment\0\0" + bomb)] * 40 + [
        chunk(b"iCCP", b"p\0\0" + bomb),
        chunk(b"tEXt", b"a" * 10**6),
    ]
    plain = a_picture("PNG")
    assert PngImagePlugin.MAX_TEXT_CHUNK < 50 * 1024 * 1024
    loaded = with_chunks(plain, *text)
    assert headers.contents(loaded, headers.read_header(loaded)).data == plain
    assert decoded(with_chunks(plain, *text)).getpixel((5, 5))[0] > 250


def test_a_png_with_too_many_chunks_is_refused():
    with pytest.raises(NotAPicture, match="too many parts"):
        pictures.frame(io.BytesIO(with_chunks(a_picture("PNG"), *[chunk(b"teSt", b"")] * 60_000)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_read_as_its_first_frame(kind):
    shades = [Image.new("RGB", (64, 48), (shade, 0, 0)) for shade in range(250, 50, -1)]
    data = encoded(shades[0], kind, save_all=True, append_images=shades[1:])
    assert decoded(data).getpixel((5, 5))[0] > 240


def test_transparent_pixels_become_black():
    half = Image.new("RGBA", (64, 48), (255, 255, 255, 128))
    for image in (half, half.convert("LA")):
        assert abs(decoded(encoded(image, "PNG")).convert("L").getpixel((5, 5)) - 128) < 3
    assert decoded(encoded(Image.new("RGBA", (64, 48), (255, 0, 0, 0)), "WEBP")).getpixel((5, 5)) == (0, 0, 0)
    index = Image.new("P", (64, 48), 1)
    index.putpalette([0, 0, 0, 255, 255, 255])
    assert decoded(encoded(index, "PNG", transparency=1)).getpixel((5, 5)) == (0, 0, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_rotated_by_its_exif_orientation(orientation):
    image = Image.new("RGB", (64, 48), "black")
    image.paste("white", (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, "PNG", exif=exif)
    with Image.open(io.BytesIO(data)) as stored:
        expected = ImageOps.exif_transpose(stored)
    seen = decoded(data)
    assert seen.size == expected.size
    difference = np.abs(np.asarray(seen, dtype=int) - np.asarray(expected, dtype=int))
    assert difference.mean() < 3


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"nothing"])
def test_damaged_exif_is_ignored(exif):
    assert decoded(encoded(noise(), "JPEG", exif=exif)).size == (64, 48)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damage_anywhere_is_refused_with_a_message_or_harmless(kind):
    data = encoded(noise(), kind)
    for at in range(0, len(data), max(1, len(data) // 150)):
        for damaged in (data[:at], data[:at] + b"\xff\x00\xff" + data[at + 3 :], data[:at] + data[at + 1 :]):
            try:
                assert decoded(damaged).size
            except NotAPicture:
                continue


def test_a_large_picture_becomes_a_frame_of_at_most_4096_pixels():
    assert decoded(encoded(Image.new("RGB", (6000, 300), "red"), "JPEG")).size == (4096, 205)


def test_a_thumbnail_gives_a_poster_and_a_still():
    _, [poster, still] = pictures.thumbnail(io.BytesIO(encoded(noise((1280, 720)), "PNG")))
    assert len(poster) <= pictures.POSTER_MAX_BYTES * 4
    assert Image.open(io.BytesIO(poster)).size == (640, 360)
    assert Image.open(io.BytesIO(still)).size == (1280, 720)
    with pytest.raises(NotAPicture):
        pictures.thumbnail(io.BytesIO(b"no picture"))
