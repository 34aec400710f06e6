"""What the provider receives looks like what people see; the references are made by independent arithmetic."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from videos.media.decoding import pictures

from ...support import pictures as files
from ...support.pictures import ADOBE_RGB, DISPLAY_P3, chunk, encoded, gradient, greys, iccp, jpeg, png, rendered

COLOURS = np.asarray(gradient(), dtype=float)
P3 = files.rgb_profile(DISPLAY_P3)
RAMP = np.tile(np.linspace(0, 65_535, 64).round().astype(np.uint16), (48, 1))
STEPS = np.tile(np.linspace(0, 255, 64).round().astype(np.uint8), (48, 1))
MIXED = np.dstack([STEPS, 255 - STEPS, STEPS])
FLOATS = (RAMP / 65_535).astype(np.float32)
# The mean and the largest difference that the last JPEG and a lossy source make.
CLOSE, LOSSY = (1.2, 14.0), (2.0, 30.0)


def frame(data: bytes) -> bytes:
    _, [made] = pictures.frame(io.BytesIO(data))
    return made


def assert_like(data: bytes, reference: np.ndarray, limits: tuple[float, float] = CLOSE) -> None:
    mean, most = files.difference(frame(data), reference)
    assert mean <= limits[0], f"{mean:.2f} on average"
    assert most <= limits[1], f"{most:.0f} at most"


# ── Profiles ──────────────────────────────────────────────────────────────────────────────────────────────────

WITH_PROFILE = {
    "JPEG": lambda profile: jpeg(gradient(), icc_profile=profile),
    "PNG": lambda profile: png(COLOURS, 8, 2, iccp(profile)),
    "PNG of 16 bits": lambda profile: png(COLOURS.astype(np.uint16) * 257, 16, 2, iccp(profile)),
    "WebP": lambda profile: encoded(gradient(), "WEBP", lossless=True, icc_profile=profile),
    "TIFF": lambda profile: encoded(gradient(), "TIFF", icc_profile=profile),
    "AVIF": lambda profile: encoded(gradient(), "AVIF", quality=99, subsampling="4:4:4", icc_profile=profile),
    "HEIC": lambda profile: encoded(gradient(), "HEIF", quality=99, chroma="444", icc_profile=profile),
}


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB], ids=["Display P3", "Adobe RGB"])
@pytest.mark.parametrize("kind", WITH_PROFILE)
def test_a_colour_profile_is_converted_to_srgb(kind, primaries):
    data = WITH_PROFILE[kind](files.rgb_profile(primaries))
    expected = files.from_primaries(COLOURS, primaries, 2.2)
    assert np.abs(expected - COLOURS).mean() > 5, "the profile matters"
    assert_like(data, expected, LOSSY)


def test_a_picture_in_srgb_keeps_its_colours():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for data in (jpeg(gradient()), jpeg(gradient(), icc_profile=srgb), png(COLOURS, 8, 2, chunk(b"sRGB", b"\0"))):
        assert_like(data, COLOURS)
    assert np.abs(rendered(png(COLOURS, 8, 2, iccp(srgb))) - COLOURS).max() <= 1


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted_by_its_profile(kind):
    profile = files.cmyk_profile()
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {"quality": 98}
    expected = ImageCms.profileToProfile(
        files.cmyk(),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )
    without = np.asarray(files.cmyk().convert("RGB"), dtype=float)
    assert np.abs(np.asarray(expected, dtype=float) - without).mean() > 10, "the profile matters"
    data = encoded(files.cmyk(), kind, icc_profile=profile, **options)
    assert_like(data, np.asarray(expected, dtype=float))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile_looks_as_in_a_browser(kind):
    inks = np.asarray(files.cmyk(), dtype=float)
    assert_like(encoded(files.cmyk(), kind), (255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255)


@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_a_grey_profile_is_converted(gamma):
    expected = greys(files.shown((STEPS / 255) ** gamma))
    profile = files.grey_profile(gamma)
    assert_like(jpeg(Image.fromarray(STEPS), icc_profile=profile), expected)
    assert_like(png(STEPS, 8, 0, iccp(profile)), expected)
    solid = png(np.dstack([STEPS, np.full_like(STEPS, 255)]), 8, 4, iccp(profile))
    assert_like(solid, expected)


def test_a_grey_picture_with_a_colour_profile_stays_grey():
    made = rendered(jpeg(Image.fromarray(STEPS), icc_profile=files.rgb_profile(DISPLAY_P3, 1.0)))
    assert np.abs(made - greys(files.shown(STEPS / 255))).mean() < 1


@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_the_gamma_of_a_png_is_applied(gamma):
    stated = chunk(b"gAMA", struct.pack(">I", round(100_000 / gamma)))
    assert_like(png(COLOURS, 8, 2, stated), files.shown((COLOURS / 255) ** gamma))
    assert_like(png(STEPS, 8, 0, stated), greys(files.shown((STEPS / 255) ** gamma)))
    assert_like(png(COLOURS, 8, 2, stated, chunk(b"sRGB", b"\0")), COLOURS)


def test_primaries_stated_by_numbers_are_converted():
    coordinates = struct.pack(">8I", 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)
    stated = [chunk(b"gAMA", struct.pack(">I", 45_455)), chunk(b"cHRM", coordinates)]
    assert_like(png(COLOURS, 8, 2, *stated), files.from_primaries(COLOURS, DISPLAY_P3, 2.2))
    linear = np.where(COLOURS / 255 <= 0.04045, COLOURS / 255 / 12.92, ((COLOURS / 255 + 0.055) / 1.055) ** 2.4)
    expected = files.from_primaries(255 * linear, DISPLAY_P3, 1.0)
    assert_like(png(COLOURS, 8, 2, chunk(b"cICP", bytes([12, 13, 0, 1]))), expected)
    nclx = encoded(gradient(), "HEIF", quality=99, chroma="444")
    at = nclx.index(b"nclx")
    assert_like(nclx[: at + 4] + struct.pack(">HH", 12, 13) + nclx[at + 8 :], expected, LOSSY)


@pytest.mark.parametrize("transfer", [16, 18], ids=["PQ", "HLG"])
def test_a_picture_for_bright_displays_keeps_its_details(transfer):
    made = rendered(png(np.dstack([STEPS] * 3), 8, 2, chunk(b"cICP", bytes([9, transfer, 0, 1]))))[0, :, 1]
    assert (np.diff(made) >= 0).all() and made[0] == 0 and made[-1] > 240
    assert made[: int(64 * 0.58)].max() < 235, "brighter than white has room"


BAD_PROFILES = {
    "cut": P3[:200],
    "empty": b"\0" * 128,
    "text": b"no profile at all",
    "of CMYK": files.cmyk_profile(),
    "without tags": P3[:128] + struct.pack(">I", 0),
    "with tags outside": P3[:132] + b"\xff" * 200,
}


@pytest.mark.parametrize("case", BAD_PROFILES)
def test_a_profile_that_is_damaged_or_of_other_colours_is_ignored(case):
    profile = BAD_PROFILES[case]
    assert_like(jpeg(gradient(), icc_profile=profile), COLOURS)
    assert_like(png(COLOURS, 8, 2, iccp(profile)), COLOURS)
    assert_like(encoded(gradient(), "WEBP", lossless=True, icc_profile=profile), COLOURS)


# ── Greys ─────────────────────────────────────────────────────────────────────────────────────────────────────

UNUSUAL_GREYS = {
    "PNG of 16 bits": png(RAMP, 16, 0),
    "TIFF of 16 bits": encoded(Image.fromarray(RAMP), "TIFF"),
    "TIFF of 16 bits, big endian": encoded(Image.frombytes("I;16B", files.SIZE, RAMP.astype(">u2").tobytes()), "TIFF"),
    "TIFF of 32 bits": encoded(Image.fromarray(RAMP.astype(np.int32)), "TIFF"),
    "floats from 0 to 1": encoded(Image.fromarray(FLOATS), "TIFF"),
    "floats from 0 to 255": encoded(Image.fromarray(FLOATS * 255), "TIFF"),
    "floats from 0 to 65535": encoded(Image.fromarray(FLOATS * 65_535), "TIFF"),
    "floats of another range": encoded(Image.fromarray(FLOATS * 30 - 12), "TIFF"),
}


@pytest.mark.parametrize("case", UNUSUAL_GREYS)
def test_greys_of_more_than_8_bits_keep_their_range(case):
    assert_like(UNUSUAL_GREYS[case], greys(RAMP / 257))


def test_a_dark_picture_of_16_bits_stays_dark():
    assert_like(png(RAMP // 8, 16, 0), greys(RAMP // 8 / 257))
    assert_like(encoded(Image.fromarray(FLOATS / 2), "TIFF"), greys(RAMP / 2 / 257))


def test_floats_that_are_no_numbers_do_not_change_the_others():
    odd = FLOATS.copy()
    odd[0, :3] = np.nan, np.inf, -np.inf
    made = rendered(encoded(Image.fromarray(odd), "TIFF"))
    assert np.abs(made[1:] - greys(RAMP / 257)[1:]).max() < 1
    every = np.full_like(odd, np.nan)
    assert rendered(encoded(Image.fromarray(every), "TIFF")).shape == (48, 64, 3)


def test_a_tiff_whose_white_is_zero_is_not_inverted():
    for image in (Image.fromarray(STEPS), Image.fromarray(RAMP)):
        data = encoded(image, "TIFF", tiffinfo={262: 0})
        made = rendered(data)
        with Image.open(io.BytesIO(data)) as stored:
            assert stored.tag_v2[262] == 0
        # Pillow inverts 8 bits when it writes them, and not 16.
        expected = STEPS if image.mode == "L" else 255 - RAMP / 257
        assert np.abs(made - greys(expected)).max() <= 1


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_greys_of_few_bits_span_the_whole_range(depth):
    most = (1 << depth) - 1
    samples = np.tile(np.arange(64) % (most + 1), (48, 1))
    assert (rendered(png(samples, depth, 0)) == greys(samples * 255 // most)).all()


# ── Transparency ──────────────────────────────────────────────────────────────────────────────────────────────


def on_black(samples: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    return np.asarray(samples, dtype=float) * np.asarray(opacity, dtype=float)[..., None] / 255


def test_transparent_pictures_are_put_on_black():
    image = gradient()
    image.putalpha(Image.fromarray(STEPS))
    expected = on_black(COLOURS, STEPS)
    for data in (encoded(image, "PNG"), encoded(image, "WEBP", lossless=True, exact=True), encoded(image, "TIFF")):
        assert np.abs(rendered(data) - expected).max() <= 1
    assert np.abs(rendered(encoded(image.convert("LA"), "PNG")) - on_black(greys(image.convert("L")), STEPS)).max() <= 1
    for kind in ("AVIF", "HEIF"):
        assert np.abs(rendered(encoded(image, kind, quality=100)) - expected).mean() < 2


def test_a_profile_is_applied_before_the_background():
    image = gradient()
    image.putalpha(Image.fromarray(STEPS))
    expected = on_black(files.from_primaries(COLOURS, DISPLAY_P3, 2.2), STEPS)
    assert np.abs(rendered(encoded(image, "PNG", icc_profile=P3)) - expected).max() <= 2


def test_dark_drawings_without_a_background_stay_visible():
    drawing = Image.new("RGBA", files.SIZE, (0, 0, 0, 0))
    drawing.paste((10, 10, 40, 255), (10, 10, 30, 30))
    made = rendered(encoded(drawing, "PNG"))
    assert made[5, 5].tolist() == [255, 255, 255] and made[20, 20].tolist() == [10, 10, 40]


TRANSPARENT_COLOURS = {
    "grey of 8 bits": (png(STEPS, 8, 0, chunk(b"tRNS", struct.pack(">H", STEPS[0, 40]))), 40, greys(STEPS)),
    "grey of 16 bits": (png(RAMP, 16, 0, chunk(b"tRNS", struct.pack(">H", RAMP[0, 40]))), 40, greys(RAMP / 257)),
    "grey of 2 bits": (
        png(np.tile(np.arange(64) // 16, (48, 1)), 2, 0, chunk(b"tRNS", struct.pack(">H", 2))),
        slice(32, 48),
        greys(np.tile(np.arange(64) // 16, (48, 1)) * 85),
    ),
    "grey of 2 bits with another bit set": (
        png(np.tile(np.arange(64) // 16, (48, 1)), 2, 0, chunk(b"tRNS", struct.pack(">H", 6))),
        slice(32, 48),
        greys(np.tile(np.arange(64) // 16, (48, 1)) * 85),
    ),
    "colour": (
        png(MIXED, 8, 2, chunk(b"tRNS", struct.pack(">3H", *MIXED[0, 40]))),
        40,
        MIXED.astype(float),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TRANSPARENT_COLOURS)
def test_the_transparent_colour_of_a_png_becomes_black(case):
    data, columns, expected = TRANSPARENT_COLOURS[case]
    expected[:, columns] = 0
    assert np.abs(rendered(data) - expected).max() <= 1


def test_a_palette_keeps_the_opacity_of_each_colour():
    palette = gradient().quantize(64)
    opacity = bytes(range(0, 256, 4))
    expected = on_black(palette.convert("RGB"), np.frombuffer(opacity, np.uint8)[np.asarray(palette)])
    assert np.abs(rendered(encoded(palette, "PNG", transparency=opacity)) - expected).max() <= 1
    one = np.where(np.asarray(palette)[..., None] == 5, 0, np.asarray(palette.convert("RGB")))
    assert np.abs(rendered(encoded(palette, "GIF", transparency=5)) - one).max() == 0


# ── Upright ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", [3, 5, 6])
def test_a_picture_is_upright_in_every_format(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": exif} if kind == "TIFF" else {"exif": exif.tobytes()}
    data = encoded(gradient(), kind, **options)
    turned = gradient()
    turned.info["exif"] = b""
    turned.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(turned), dtype=float)
    made = rendered(data)
    assert made.shape == expected.shape
    assert np.abs(made - expected).mean() < 6
