"""Decode pictures and encode ours in a separate process: `python -m videos.media.decoding.pictures`."""

import io
import resource
import struct
from typing import Any, BinaryIO

# Pillow imports all of its decoders to find one that is not imported yet.
from PIL import AvifImagePlugin, Image, ImageChops, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from . import colours, headers, process
from .errors import NotAPicture

MAX_PIXELS = 50_000_000  # more would exceed the memory limit in some formats
MAX_SIDE = 20_000
MIN_SIDE = 16
MAX_SCANS = 100  # of a JPEG; encoders make about ten
# Scans of a JPEG times its pixels; so many take up to 1.2 s of processor time.
MAX_SCANNED_PIXELS = 1_000_000_000
# Bytes of memory at the peak, for each pixel, for each byte of the file, and without a picture. Measured at 50
# megapixels: 450 MB for a PNG with transparency, 415 for a plain JPEG, 514 for a progressive one without subsampling,
# 833 for a WebP, 459 for a HEIC without transparency.
PLAIN_BYTES, PROGRESSIVE_BYTES = 8, 10
BYTES = {"WEBP": 16.5, "HEIF": 12, "AVIF": 12, "TIFF": 10}
FILE_BYTES = 3
IDLE_BYTES = 40 * 1024**2
# The modes that `colours.to_srgb` converts by a profile, besides RGB; a picture of another mode becomes RGB first.
COLOUR_MODES = {"1": "L", "L": "L", "CMYK": "CMYK", "LAB": "LAB"}
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
    ArithmeticError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)
# A transparent picture is put on white if fewer than 1% of its visible pixels are brighter than DARK (of 255): it would
# vanish on black.
DARK, FEW = 64, 0.01
QUALITIES = ((95, 0), (90, 0), (80, 2))  # of a frame, with its subsampling; the first that fits FRAME_MAX_BYTES
FRAME_MAX_BYTES = 20 * 1024**2

# One thread needs less memory, and its stack counts.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def frame(file: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """Decode an upload and encode it again as a JPEG, so that none of its own bytes are kept. Raises NotAPicture."""
    data, header = _read(file)
    if min(header.width, header.height) < MIN_SIDE:
        raise NotAPicture("The picture is too small to be a frame. Use one of at least 16×16 pixels.")
    picture = _decode(data, header)
    return {"width": picture.width, "height": picture.height}, [frame_jpeg(picture)]


def thumbnail(file: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """Decode a provider's thumbnail and encode a poster (WebP) and a still (JPEG). Raises NotAPicture."""
    picture = _decode(*_read(file))
    return {"color": dominant_color(picture)}, [poster(picture), jpeg(picture)]


def color(file: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """Return the dominant color of a poster. Raises NotAPicture."""
    return {"color": dominant_color(_decode(*_read(file)))}, []


def dominant_color(image: Image.Image) -> str:
    """Return the most frequent of a picture's main colors as "#rrggbb"."""
    small = image.resize((48, 48), Image.Resampling.BOX).quantize(6)
    counts = small.histogram()
    index = counts.index(max(counts))
    red, green, blue = (small.getpalette() or [])[3 * index : 3 * index + 3]
    return f"#{red:02x}{green:02x}{blue:02x}"


def frame_jpeg(image: Image.Image) -> bytes:
    """Encode a frame as a JPEG that looks the same: with colours at full resolution if that fits FRAME_MAX_BYTES."""
    for quality, subsampling in QUALITIES:
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality, subsampling=subsampling, optimize=True)
        if out.tell() <= FRAME_MAX_BYTES:
            break
    return out.getvalue()


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
    return data, header


def _bytes_per_pixel(header: headers.Header) -> float:
    return PROGRESSIVE_BYTES if header.scans > 1 else BYTES.get(header.kind, PLAIN_BYTES)


def _opened(contents: headers.Contents, header: headers.Header) -> Image.Image:
    """Open a picture, and check that its decoder finds the same size as the header. Raises NotAPicture."""
    if header.kind == "AVIF" and not AvifImagePlugin.SUPPORTED:
        raise NotAPicture("AVIF files cannot be read on this server. Save the picture as a JPEG or PNG file.")
    try:
        image = Image.open(io.BytesIO(contents.data), formats=(header.kind,))
    except DAMAGED:
        raise headers.unreadable(headers.name_of(header)) from None
    is_smaller = header.at_most and image.width * image.height <= header.pixels
    if image.size != (header.width, header.height) and not is_smaller:
        raise headers.unreadable(headers.name_of(header))
    return image


def _decode(data: bytes, header: headers.Header) -> Image.Image:
    """Return the first picture of a file as people see it: upright, in sRGB, opaque, and no larger than a frame.

    Raises NotAPicture. Each step releases the picture before it: at 50 megapixels each copy takes 200 MB.
    """
    contents = headers.contents(data, header)
    image = _opened(contents, header)
    try:
        image.load()
        profile = image.info.get("icc_profile") or contents.profile
        turn = UPRIGHT.get(_orientation(contents.exif or image.info.get("exif", b"")))
        image = _with_transparency(image, contents)
        if image.mode == "RGBA":
            image = colours.to_srgb(image, profile)
            _put_on_background(image)
            image = image.convert("RGB")
            profile = b""
        image.thumbnail((FRAME_MAX_SIDE, FRAME_MAX_SIDE))
        image = colours.to_srgb(image, profile)
    except DAMAGED:
        raise headers.unreadable(headers.name_of(header)) from None
    # Pillow would write the comment of a GIF into the JPEG.
    image.info.clear()
    return image if turn is None else image.transpose(turn)


def _with_transparency(image: Image.Image, contents: headers.Contents) -> Image.Image:
    """Return a picture of 8 bits with its transparency, as L, RGB, CMYK or LAB without any and as RGBA with some."""
    if contents.transparency:
        image = _with_transparent_colours(image, contents.transparency, contents.depth)
    image = colours.eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return image if image.mode == "RGBA" else image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
    return image.convert(COLOUR_MODES.get(image.mode, "RGB"))


def _with_transparent_colours(image: Image.Image, chunk: bytes, depth: int) -> Image.Image:
    """Apply the tRNS chunk of a PNG; a chunk that does not fit the picture is ignored."""
    if image.mode == "P":
        image.info["transparency"] = chunk[:256]
    elif image.mode in ("1", "L", "I;16") and len(chunk) == 2:
        (grey,) = struct.unpack(">H", chunk)
        if image.mode == "I;16":
            opacity = colours.opacity_of_grey(image, grey)
            image = colours.eight_bits(image)
            image.putalpha(opacity)
        else:
            image = image.convert("L")
            white = (1 << depth) - 1
            image.info["transparency"] = (grey & white) * 255 // white  # the other bits do not count
    elif image.mode == "RGB" and len(chunk) == 6:
        shift = 8 if depth == 16 else 0  # Pillow keeps the upper byte
        image.info["transparency"] = tuple(value >> shift & 0xFF for value in struct.unpack(">3H", chunk))
    return image


def _put_on_background(image: Image.Image) -> None:
    """Put an RGBA picture on black, or on white if it is so dark that it would vanish on black."""
    opacity = image.getchannel("A")
    levels = image.convert("L").histogram(opacity)
    is_dark = sum(levels[DARK:]) < FEW * sum(levels)
    background = (255, 255, 255, 255) if is_dark else (0, 0, 0, 255)
    image.paste(background, mask=ImageChops.invert(opacity))


def _orientation(exif: bytes) -> int:
    """Return the orientation of EXIF data; upright for damaged data, as the picture itself may be intact."""
    found = Image.Exif()
    try:
        found.load(exif)
        return int(found.get(ORIENTATION, 1))
    except DAMAGED:
        return 1


OPERATIONS: dict[str, process.Operation] = {"frame": frame, "thumbnail": thumbnail, "color": color}

if __name__ == "__main__":
    process.run(OPERATIONS)
