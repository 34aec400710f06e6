"""Checking and converting the pictures that a request links to or an account uploads."""

import io
from pathlib import Path

from PIL import Image, ImageOps

from .errors import InvalidFile

MAX_PIXELS = 50_000_000
MAX_FRAME_SIZE = (2048, 2048)  # far more pixels than any video has would only slow down every later step
UPLOAD_SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
DECODING_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)

Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def save_as_png(encoded: bytes, target: Path) -> None:
    """Save a picture as an upright RGB PNG; raise InvalidFile if it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            _check_pixels(picture)
            picture.draft("RGB", MAX_FRAME_SIZE)
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except DECODING_ERRORS as error:
        raise InvalidFile("not a picture that can be read") from error
    upright.thumbnail(MAX_FRAME_SIZE)
    target.parent.mkdir(parents=True, exist_ok=True)
    upright.save(target, compress_level=1)


def upload_suffix(encoded: bytes) -> str:
    """Return the file suffix of an uploaded picture; raise InvalidFile for any other file."""
    try:
        with Image.open(io.BytesIO(encoded), formats=list(UPLOAD_SUFFIXES)) as picture:
            _check_pixels(picture)
            return UPLOAD_SUFFIXES[picture.format or ""]
    except DECODING_ERRORS as error:
        raise InvalidFile("the file is not a JPEG, PNG, WebP or GIF picture") from error


def _check_pixels(picture: Image.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise InvalidFile(f"{picture.width}x{picture.height} pixels are too many")
