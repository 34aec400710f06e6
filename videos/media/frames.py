"""Frames: pictures that members upload, and pictures cut from saved videos."""

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db.models.fields.files import FieldFile

from .decoding import client as decoding
from .decoding.client import Picture
from .decoding.errors import NotAPicture


def read_upload(upload: UploadedFile) -> Picture:
    """Decode an upload and encode it again, so that none of its bytes are kept.

    Raises NotAPicture, Busy, OSError.
    """
    if (upload.size or 0) > settings.FRAME_MAX_BYTES:
        raise NotAPicture(f"The picture is larger than {settings.FRAME_MAX_BYTES // 1024**2} MB. Use a smaller one.")
    return decoding.read_picture(upload)


def store_frame(picture: Picture, name: str) -> str:
    """Store a frame as `frames/<name>.jpg` and return its name in the storage."""
    return default_storage.save(f"frames/{name}.jpg", ContentFile(picture.data))


def extract_frame(video: FieldFile, at: float | str) -> Picture:
    """Return the picture of a saved video that a player shows at this time (s), or its "first" or "last" one.

    Raises NotAVideo, Busy, and OSError if the file cannot be read.
    """
    with video.open("rb") as file:
        return decoding.extract_frame(file, at)
