"""Which files are taken as pictures, which are named, and that odd, damaged and hostile ones do no harm."""

import io
import random
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from videos.media.decoding import client, headers, pictures
from videos.media.decoding.errors import NotAPicture
from videos.media.decoding.formats import png as png_format

from ...support.pictures import (
    DISPLAY_P3,
    chunk,
    encoded,
    gradient,
    iccp,
    jpeg,
    png,
    rendered,
    rgb_profile,
    segment,
    with_chunks,
    with_segments,
)

COLOURS = np.asarray(gradient(), dtype=float)
OTHER = Image.new("RGB", (64, 48), "red")
TAKEN = {
    "JPEG": jpeg(gradient()),
    "progressive JPEG": jpeg(gradient(), progressive=True),
    "JPEG in RGB": encoded(gradient(), "JPEG", quality=95, keep_rgb=True),
    "PNG": encoded(gradient(), "PNG"),
    "animated PNG": encoded(gradient(), "PNG", save_all=True, append_images=[OTHER]),
    "WebP": encoded(gradient(), "WEBP", lossless=True),
    "lossy WebP": encoded(gradient(), "WEBP", quality=95),
    "animated WebP": encoded(gradient(), "WEBP", lossless=True, save_all=True, append_images=[OTHER]),
    "GIF": encoded(gradient().quantize(256), "GIF"),
    "animated GIF": encoded(gradient().quantize(256), "GIF", save_all=True, append_images=[OTHER]),
    "BMP": encoded(gradient(), "BMP"),
    "BMP with a palette": encoded(gradient().quantize(256), "BMP"),
    "TIFF": encoded(gradient(), "TIFF"),
    "TIFF with LZW": encoded(gradient(), "TIFF", compression="tiff_lzw"),
    "TIFF of several pages": encoded(gradient(), "TIFF", save_all=True, append_images=[OTHER]),
    "AVIF": encoded(gradient(), "AVIF", quality=95),
    "animated AVIF": encoded(gradient(), "AVIF", quality=95, save_all=True, append_images=[OTHER]),
    "HEIC": encoded(gradient(), "HEIF", quality=95),
    "HEIC of tiles": encoded(gradient((600, 450)), "HEIF", quality=95, tile_size=256),
    "HEIC of several pictures": encoded(gradient(), "HEIF", quality=95, save_all=True, append_images=[OTHER]),
}


def away(data: bytes) -> float:
    """Return the mean difference from the gradient."""
    made = rendered(data)
    return float(np.abs(made - np.asarray(gradient((made.shape[1], made.shape[0])), dtype=float)).mean())


# ── Taken and named ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", TAKEN)
def test_a_picture_of_this_format_is_taken(kind):
    assert away(TAKEN[kind]) < (8 if "GIF" in kind or "palette" in kind else 3)


@pytest.mark.parametrize("kind", ["HEIC", "AVIF", "HEIC of tiles", "TIFF", "GIF"])
def test_the_decoding_process_has_its_decoder(kind):
    picture = client.read_picture(io.BytesIO(TAKEN[kind]))
    with Image.open(io.BytesIO(TAKEN[kind])) as original:
        assert (picture.width, picture.height) == original.size


def _raw(tags: dict[int, int]) -> bytes:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        info[tag] = value
    return encoded(gradient(), "TIFF", tiffinfo=info)


NAMED = {
    b"%PDF-1.7\n": "a PDF document",
    b"8BPS\0\1" + bytes(40): "a Photoshop document",
    b"\xff\x0a" + bytes(40): "a JPEG XL picture",
    b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40): "a JPEG XL picture",
    b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40): "a JPEG 2000 picture",
    b"v/1\x01" + bytes(40): "an OpenEXR picture",
    b"PK\x03\x04" + bytes(40): "an archive or a document",
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>': "an SVG drawing",
    b"\0\0\0\x18ftypmp42" + bytes(40): "This is a video",
    b"\0\0\0\x14ftypqt  " + bytes(40): "This is a video",
    b"\x1aE\xdf\xa3" + bytes(40): "This is a video",
    b"\0\0\0\x18ftypcrx " + bytes(40): "a raw file of a camera",
    b"II*\0\x10\0\0\0CR\2\0" + bytes(100): "a raw file of a camera",
    _raw({254: 1}): "a raw file of a camera",
    _raw({50706: 1}): "a raw file of a camera",
    b"plain words": "This is not a picture we can read. Use a JPEG, PNG, WebP or HEIC file.",
    b"": "This is not a picture we can read",
}


@pytest.mark.parametrize("data", NAMED, ids=NAMED.values())
def test_a_file_that_is_not_taken_is_named_with_what_to_do(data):
    with pytest.raises(NotAPicture, match=NAMED[data]) as refusal:
        pictures.frame(io.BytesIO(data))
    assert any(word in str(refusal.value) for word in ("Save it", "Export", "Upload", "Use a"))


@pytest.mark.parametrize("kind", [kind for kind in TAKEN if kind != "TIFF of several pages"])
def test_a_truncated_picture_is_refused_with_the_name_of_its_format(kind):
    data = TAKEN[kind]
    for part in (2, 3):
        with pytest.raises(NotAPicture, match="not a picture we can read"):
            rendered(data[: len(data) // part])


# ── Odd metadata ──────────────────────────────────────────────────────────────────────────────────────────────

BOMB = zlib.compress(bytes(50 * 1024**2))


def oriented(kind: int, orientation: int) -> bytes:
    """EXIF data whose orientation has this type and value."""
    return segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12" + struct.pack(">HIHHI", kind, 1, orientation, 0, 0))


ODD_JPEG = {
    "EXIF that points outside": segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "EXIF of one byte": segment(0xE1, b"Exif\0\0I"),
    "EXIF with an odd type": oriented(0xFFFF, 6),
    "an orientation of 99": oriented(3, 99),
    "a damaged list of pictures": segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\x01"),
    "a damaged Photoshop block": segment(0xED, b"Photoshop 3.0\0008BIM\x03\xed\0\0\0\0\xff\xff"),
    "a short JFIF header": segment(0xE0, b"JFIF\0"),
    "a short Adobe header": segment(0xEE, b"Adobe\0"),
    "XMP with an orientation": segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'),
    "a profile in one of two parts": segment(0xE2, b"ICC_PROFILE\0\x02\x02" + rgb_profile(DISPLAY_P3)[200:]),
    "a comment of 60 KB": segment(0xFE, b"x" * 60_000),
    "200 comments": segment(0xFE, b"x" * 60_000) * 200,
}  # fmt: skip
ODD_PNG = {
    "zTXt of 50 MB": chunk(b"zTXt", b"Comment\0\0" + BOMB) * 40,
    "iTXt of 50 MB": chunk(b"iTXt", b"Comment\0\1\0\0\0" + BOMB) * 40,
    "text of 5 MB": chunk(b"tEXt", b"Comment\0" + b"x" * 5 * 1024**2),
    "text with a wrong checksum": chunk(b"tEXt", b"a\0b", 1),
    "a profile of 50 MB": chunk(b"iCCP", b"p\0\0" + BOMB),
    "a profile with a wrong checksum": chunk(b"iCCP", b"p\0\0" + zlib.compress(b"x" * 300), 1),
    "a profile that is cut": chunk(b"iCCP", b"p\0\0" + zlib.compress(rgb_profile(DISPLAY_P3))[:50]),
    "a profile that is text": chunk(b"iCCP", b"words"),
    "EXIF of two bytes": chunk(b"eXIf", b"MM"),
    "EXIF with a wrong checksum": chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0", 1),
    "a transparent colour of one byte": chunk(b"tRNS", b"\1"),
    "no gamma": chunk(b"gAMA", bytes(4)),
    "primaries of zero": chunk(b"gAMA", struct.pack(">I", 10_000)) + chunk(b"cHRM", bytes(32)),
    "an unknown transfer": chunk(b"cICP", bytes([255, 255, 0, 1])),
    "a physical size of zero": chunk(b"pHYs", bytes(9)),
    "a time that does not exist": chunk(b"tIME", b"\xff" * 7),
    "chunks that nobody knows": chunk(b"zzZz", b"?" * 100) * 1000,
}


@pytest.mark.parametrize("case", ODD_JPEG)
def test_odd_metadata_of_a_jpeg_changes_nothing(case):
    assert away(with_segments(TAKEN["JPEG"], ODD_JPEG[case])) < 2
    assert away(with_segments(TAKEN["progressive JPEG"], ODD_JPEG[case])) < 2


@pytest.mark.parametrize("case", ODD_PNG)
def test_odd_metadata_of_a_png_changes_nothing(case):
    began = time.process_time()
    made = rendered(with_chunks(TAKEN["PNG"], ODD_PNG[case]))
    if case != "primaries of zero":
        assert np.abs(made - COLOURS).max() == 0
    assert time.process_time() - began < 3


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "HEIF"])
@pytest.mark.parametrize("odd", [b"MM\0*\xff\xff\xff\xff", b"nothing!", b"II*\0\x08\0\0\0", bytes(8)])
def test_odd_exif_of_another_format_changes_nothing(kind, odd):
    exif = Image.Exif()
    exif[0x0131] = "A camera"
    data = encoded(gradient(), kind, quality=95, exif=exif.tobytes())
    assert data.count(exif.tobytes()[6:14]) == 1
    assert away(data.replace(exif.tobytes()[6:14], odd)) < 3


@pytest.mark.parametrize("length", [30, 100_000])
def test_the_comment_of_a_gif_is_not_kept(length):
    data = encoded(gradient().quantize(256), "GIF", comment=b"secret" * (length // 6))
    _, [made] = pictures.frame(io.BytesIO(data))
    assert b"secret" in data and b"secret" not in made


def test_only_the_first_picture_of_a_jpeg_is_read():
    second = encoded(Image.new("RGB", (3000, 3000)), "JPEG")
    assert rendered(TAKEN["JPEG"] + second).shape == (48, 64, 3)


def test_a_profile_in_several_parts_is_joined_in_order():
    profile = rgb_profile(DISPLAY_P3)
    cuts = (profile[:150], profile[150:300], profile[300:])
    parts = [segment(0xE2, b"ICC_PROFILE\0" + bytes([number, 3]) + cut) for number, cut in enumerate(cuts, 1)]
    whole = with_segments(TAKEN["JPEG"], segment(0xE2, b"ICC_PROFILE\0\1\1" + profile))
    expected = rendered(whole)
    assert np.abs(expected - COLOURS).mean() > 5
    assert (rendered(with_segments(TAKEN["JPEG"], *reversed(parts))) == expected).all()


# ── Hostile ───────────────────────────────────────────────────────────────────────────────────────────────────


def _harmless(data: bytes) -> bool:
    try:
        return pictures.frame(io.BytesIO(data))[0]["width"] <= pictures.FRAME_MAX_SIDE
    except NotAPicture as refusal:
        return str(refusal).endswith((".", "file")) and len(str(refusal)) < 300


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", TAKEN)
def test_damage_anywhere_is_refused_with_a_sentence_or_harmless(kind):
    """Cut, flip, insert and overwrite bytes by a fixed seed; more often where the header is."""
    data, chance = TAKEN[kind], random.Random(kind)
    ends = time.monotonic() + 10
    for _ in range(60):
        at = chance.randrange(min(len(data), 400)) if chance.random() < 0.6 else chance.randrange(len(data))
        noise = chance.randbytes(chance.choice((1, 2, 4, 8)))
        assert _harmless(data[:at])
        assert _harmless(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        assert _harmless(data[:at] + noise + data[at + len(noise) :])
        assert _harmless(data[:at] + noise + data[at:])
        assert _harmless(data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :])
        if time.monotonic() > ends:
            break


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_profile_is_harmless():
    profile, chance = rgb_profile(DISPLAY_P3), random.Random(1)
    for _ in range(100):
        at = chance.randrange(len(profile))
        bad = profile[:at] + chance.randbytes(4) + profile[at + 4 :]
        assert _harmless(png(COLOURS, 8, 2, iccp(bad)))


def test_a_profile_that_takes_memory_is_not_inflated():
    began = time.process_time()
    assert png_format._inflated(b"p\0\0" + BOMB) == b""
    assert time.process_time() - began < 1


def _with_size(data: bytes, width: int, height: int) -> bytes:
    """A HEIC or AVIF whose property states another size."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


TIFF_OF = [struct.pack("<HHII", tag, 4, 1, 60_000) for tag in (256, 257)]
HUGE = {
    "HEIC": _with_size(TAKEN["HEIC"], 60_000, 60_000),
    "AVIF": _with_size(TAKEN["AVIF"], 60_000, 60_000),
    "GIF": struct.pack("<6sHH4s4H", b"GIF89a", 60_000, 60_000, b"\0\0\0,", 0, 0, 1, 1),
    "GIF with a large picture": struct.pack("<6sHH4s4H", b"GIF89a", 9, 9, b"\0\0\0,", 0, 0, 60_000, 60_000),
    "BMP": b"BM" + bytes(12) + struct.pack("<Iii", 40, 60_000, -60_000) + bytes(30),
    "TIFF": b"II*\0\x08\0\0\0" + struct.pack("<H", 2) + b"".join(TIFF_OF),
}


@pytest.mark.parametrize("kind", HUGE)
def test_a_size_that_is_too_large_is_refused_before_anything_is_decoded(monkeypatch, kind):
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(NotAPicture, match="60000×60000 pixels, more than can be used"):
        pictures.frame(io.BytesIO(HUGE[kind]))


def test_a_heic_whose_picture_is_larger_than_it_says_is_refused():
    large = encoded(gradient((2000, 1500)), "HEIF", quality=30)
    with pytest.raises(NotAPicture):
        rendered(_with_size(large, 64, 48))


def test_boxes_within_boxes_end():
    nested = b""
    for _ in range(3000):
        nested = struct.pack(">I4s", len(nested) + 12, b"meta") + bytes(4) + nested
    began = time.process_time()
    with pytest.raises(NotAPicture):
        headers.read_header(b"\0\0\0\x10ftypheic\0\0\0\0" + nested + b"\0\0\0\x08free" * 100_000)
    assert time.process_time() - began < 2
