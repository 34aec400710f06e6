"""Turn the colours of a decoded picture into sRGB, and its greys into 8 bits."""

import io
import math
from collections.abc import Iterable
from typing import Literal

from PIL import Image, ImageCms

SAMPLE = (256, 256)  # pixels that decide the range of an unusual grey
MODES = {"RGB": ("RGB", "RGBA"), "GRAY": ("L",), "CMYK": ("CMYK",)}  # of pictures, by the colour space of a profile
WHITE_16 = 65_535
# What littleCMS and Pillow raise for a damaged profile.
DAMAGED_PROFILE = (ImageCms.PyCMSError, OSError, ValueError, TypeError)


# ── Greys ─────────────────────────────────────────────────────────────────────────────────────────────────────


def eight_bits(image: Image.Image) -> Image.Image:
    """Return greys of 16 or 32 bits, or of floating point, as 8 bits; return any other picture unchanged."""
    if image.mode.startswith("I;16"):
        return _sixteen_bits(image)
    if image.mode not in ("I", "F"):
        return image
    black, white = _range(image)
    scale = 255 / (white - black)
    offset = 0.5 - black * scale
    return image.point(lambda value: value * scale + offset).convert("L")


def _sixteen_bits(image: Image.Image) -> Image.Image:
    bits = _tag(image, "BITSPERSAMPLE", 16)
    white = WHITE_16 if bits not in range(9, 16) else (1 << bits) - 1
    levels = [min(255, (255 * value + white // 2) // white) for value in range(WHITE_16 + 1)]
    # Pillow inverts other TIFF pictures where white is zero, but not those of 16 bits.
    if _tag(image, "PHOTOMETRIC_INTERPRETATION", 1) == 0:
        levels = [255 - level for level in levels]
    return image.convert("I").point(levels, "L")


def _tag(image: Image.Image, name: str, default: int) -> int:
    """Return a number of a TIFF; the default for other pictures."""
    tags = {"BITSPERSAMPLE": 258, "PHOTOMETRIC_INTERPRETATION": 262}
    value = getattr(image, "tag_v2", {}).get(tags[name], default)
    return int(value[0] if isinstance(value, tuple) else value)


def _range(image: Image.Image) -> tuple[float, float]:
    """Return the values of black and white: of the usual range that the picture fits, or else its minimum and maximum.

    Floating point usually runs from 0 to 1, and converted integers keep their range.
    """
    sample = _numbers(image.resize(SAMPLE, Image.Resampling.NEAREST).get_flattened_data())
    extremes = _numbers(image.getextrema())
    if len(extremes) == 2:
        sample += extremes
    black, white = min(sample, default=0.0), max(sample, default=1.0)
    usual = ((1.0, 0.0), (255.0, 64.0), (65_535.0, 16_384.0))
    for end, at_least in usual if black > -0.01 else ():
        if at_least < white <= 1.01 * end:
            return 0.0, end
    return (black, white) if white > black else (0.0, max(white, 1.0))


def _numbers(values: Iterable[object]) -> list[float]:
    return [float(value) for value in values if isinstance(value, (int, float)) and math.isfinite(value)]


def opacity_of_grey(image: Image.Image, transparent: int) -> Image.Image:
    """Return the opacity of greys of 16 bits of which one value is transparent."""
    return image.convert("I").point([0 if value == transparent else 255 for value in range(WHITE_16 + 1)], "L")


# ── Colours ───────────────────────────────────────────────────────────────────────────────────────────────────


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Return an L, RGB, RGBA, CMYK or LAB picture as RGB or RGBA in sRGB, by a profile that is valid and fits it.

    A picture with transparency is changed in place: at 50 megapixels a copy takes 200 MB.
    """
    if image.mode == "LAB":
        converted = _transformed(image, ImageCms.createProfile("LAB"), "RGB")
    else:
        opened = _opened(profile) if profile else None
        converted = _by_profile(image, opened) if opened else None
    if converted:
        return converted
    return image if image.mode == "RGBA" else image.convert("RGB")


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except DAMAGED_PROFILE:
        return None


def _by_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    """Return the converted picture; None if the profile is for other colours, or damaged."""
    space = profile.profile.xcolor_space.strip()
    if space == "GRAY" and image.mode == "RGBA":
        if converted := _transformed(image.getchannel("R"), profile, "RGB"):
            converted.putalpha(image.getchannel("A"))
        return converted
    if space == "RGB" and image.mode == "L":
        image = image.convert("RGB")
    if image.mode not in MODES.get(space, ()):
        return None
    return _transformed(image, profile, "RGBA" if image.mode == "RGBA" else "RGB")


def _transformed(
    image: Image.Image, profile: ImageCms.ImageCmsProfile | ImageCms.core.CmsProfile, mode: Literal["RGB", "RGBA"]
) -> Image.Image | None:
    """Return the picture in sRGB in this mode, in place if it has it; None if the profile is damaged."""
    try:
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), image.mode, mode)
        converted = ImageCms.applyTransform(image, transform, inPlace=image.mode == mode)
    except DAMAGED_PROFILE:
        return None
    return converted or image
