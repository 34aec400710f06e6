"""Decode pictures and encode ours in a separate process: `python -m videos.media.decoding.pictures`."""

import io
import resource
import struct
from typing import Any, BinaryIO

from PIL import Image, ImageChops

from . import headers, process
from .errors import NotAPicture

MAX_PIXELS = 50_000_000  # an image that states more is an attack
MAX_SIDE = 20_000
MIN_SIDE = 16
MAX_SCANS = 100  # of a JPEG; encoders make about ten
# Scans of a JPEG times its pixels; so many take up to 1.2 s of processor time.
MAX_SCANNED_PIXELS = 1_000_000_000
# Bytes of memory at the peak, for each pixel, for each byte of the file, and without a picture. Measured at 50
# megapixels: 450 MB for a PNG with transparency, 415 for a plain JPEG, 514 for a progressive one without subsampling,
# 833 for a WebP.
PLAIN_BYTES, PROGRESSIVE_BYTES, WEBP_BYTES = 8, 10, 16.5
FILE_BYTES = 3
IDLE_BYTES = 30 * 1024**2
FRAME_MAX_SIDE = 4096  # a frame larger than this helps no provider
POSTER_WIDTH = 640
POSTER_MAX_BYTES = 20_000
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's decoders raise for a file that is truncated, damaged or not a picture.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    struct.error,
    Image.DecompressionBombError,
)


def frame(file: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """Decode an upload and encode it again as a JPEG, so that none of its own bytes are kept. Raises NotAPicture."""
    data, header = _read(file)
    if min(header.width, header.height) < MIN_SIDE:
        raise NotAPicture("The picture is too small to be a frame. Use one of at least 16×16 pixels.")
    picture = _decode(data, header)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92, optimize=True)
    return {"width": picture.width, "height": picture.height}, [out.getvalue()]


def thumbnail(file: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """Decode a provider's thumbnail and encode a poster (WebP) and a still (JPEG). Raises NotAPicture."""
    data, header = _read(file)
    try:
        with _opened(data, header) as image:
            picture = image.convert("RGB")
    except DAMAGED:
        raise NotAPicture(headers.UNREADABLE) from None
    return {}, [poster(picture), jpeg(picture)]


def jpeg(image: Image.Image) -> bytes:
    """Encode a picture as JPEG."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()


def poster(image: Image.Image) -> bytes:
    """Encode a picture as a WebP for the gallery: the best quality that fits POSTER_MAX_BYTES."""
    small = image.copy()
    small.thumbnail((POSTER_WIDTH, POSTER_WIDTH))
    for quality in (75, 60, 45, 30, 15):
        out = io.BytesIO()
        small.save(out, "WEBP", quality=quality, method=4)
        if out.tell() <= POSTER_MAX_BYTES:
            break
    return out.getvalue()


def _read(file: BinaryIO) -> tuple[bytes, headers.Header]:
    """Read a file after checking its header. Raises NotAPicture, and MemoryError if decoding needs too much memory."""
    data = file.read()
    header = headers.read_header(data)
    size = f"{header.width}×{header.height} pixels"
    if header.pixels > MAX_PIXELS or max(header.width, header.height) > MAX_SIDE:
        raise NotAPicture(f"The picture has {size}, more than can be used. Scale it down first.")
    if header.scans > MAX_SCANS or (header.scans > 1 and header.scans * header.pixels > MAX_SCANNED_PIXELS):
        raise NotAPicture(
            f"The picture is a JPEG of {header.scans:,} scans with {size}, more than can be used. "
            "Save it again as a JPEG that is not progressive."
        )
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    # Checked here because some decoders report a lack of memory as a damaged file.
    needed = IDLE_BYTES + FILE_BYTES * len(data) + _bytes_per_pixel(header) * header.pixels
    if limit != resource.RLIM_INFINITY and needed > limit:
        raise MemoryError
    return headers.without_extras(data) if header.kind == "PNG" else data, header


def _bytes_per_pixel(header: headers.Header) -> float:
    if header.kind == "WEBP":
        return WEBP_BYTES
    return PLAIN_BYTES if header.scans == 1 else PROGRESSIVE_BYTES


def _opened(data: bytes, header: headers.Header) -> Image.Image:
    """Open a picture, and check that its decoder finds the same size as the header. Raises NotAPicture."""
    try:
        image = Image.open(io.BytesIO(data), formats=(header.kind,))
    except DAMAGED:
        raise NotAPicture(headers.UNREADABLE) from None
    if image.size != (header.width, header.height):
        raise NotAPicture(headers.UNREADABLE)
    return image


def _decode(data: bytes, header: headers.Header) -> Image.Image:
    """Return the first picture of a file upright, on black, as RGB, and no larger than a frame. Raises NotAPicture.

    Each step releases the picture before it: at 50 megapixels each copy takes 200 MB.
    """
    image = _opened(data, header)
    try:
        image.load()
        turn = UPRIGHT.get(_orientation(image))
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image if image.mode == "RGBA" else image.convert("RGBA")
            _put_on_black(image)
        image = image.convert("RGB")
    except DAMAGED:
        raise NotAPicture(headers.UNREADABLE) from None
    image.thumbnail((FRAME_MAX_SIDE, FRAME_MAX_SIDE))
    return image if turn is None else image.transpose(turn)


def _put_on_black(image: Image.Image) -> None:
    covered = ImageChops.invert(image.getchannel("A"))
    image.paste((0, 0, 0, 255), mask=covered)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except DAMAGED:
        return 1  # the picture itself may be intact


if __name__ == "__main__":
    process.run({"frame": frame, "thumbnail": thumbnail})
