"""The still pictures that stand for a video: reading the provider's thumbnail, and encoding ours."""

import io

from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 50_000_000  # an image that claims more is an attack
POSTER_WIDTH = 640
POSTER_MAX_BYTES = 20_000


def read_thumbnail(data: bytes) -> Image.Image | None:
    """Decode a thumbnail; None where it is no picture we can read."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            return image.convert("RGB")
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
        MemoryError,
    ):
        return None


def jpeg(image: Image.Image) -> bytes:
    """Encode a picture as JPEG."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()


def poster(image: Image.Image) -> bytes:
    """A small WebP for the gallery, under 20 KB whatever the picture."""
    small = image.copy()
    small.thumbnail((POSTER_WIDTH, POSTER_WIDTH))
    for quality in (75, 60, 45, 30, 15):
        out = io.BytesIO()
        small.save(out, "WEBP", quality=quality, method=4)
        if out.tell() <= POSTER_MAX_BYTES:
            break
    return out.getvalue()
