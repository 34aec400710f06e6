"""The header and the contents of a picture file, and the messages that all formats share."""

from dataclasses import dataclass

from ..errors import NotAPicture

TAKEN = "Use a JPEG, PNG, WebP or HEIC file."
UNREADABLE = f"This is not a picture we can read. {TAKEN}"
MAX_PROFILE = 16 * 1024**2  # bytes; profiles of printers have up to 3 MB


@dataclass(frozen=True, slots=True)
class Header:
    """Pillow's name of the format, width and height in pixels, and the scans: how often a decoder reads all pixels.

    `at_most`: the picture may be rotated or cropped, so its decoder may find another size of no more pixels.
    """

    kind: str
    width: int
    height: int
    scans: int = 1
    at_most: bool = False

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Contents:
    """A file for the decoder, and its ICC profile and EXIF data, which are read apart (empty if it has none).

    `transparency` is the raw tRNS chunk of a PNG, `depth` its bits per sample.
    """

    data: bytes
    profile: bytes = b""
    exif: bytes = b""
    transparency: bytes = b""
    depth: int = 8


def unreadable(name: str = "") -> NotAPicture:
    """Return the exception for a file that is not a picture; name: the format of a damaged picture."""
    if not name:
        return NotAPicture(UNREADABLE)
    return NotAPicture(
        f"This is not a picture we can read: the {name} file is damaged or incomplete. "
        "Open it in another program, save it again and upload the copy."
    )
