"""Frames: pictures that members upload or take from a saved video, stored once for the same bytes."""

import hashlib
import logging
import re
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone

from .media.decoding.client import Picture
from .media.decoding.errors import Busy, DecoderFailed, NotAPicture, NotAVideo
from .media.frames import extract_frame, read_upload, store_frame
from .models import ApiToken, Frame, Generation, Member, Pool

logger = logging.getLogger(__name__)

NOT_STORED = "The picture could not be saved. Ask an admin to check the free disk space."
# Part of each digest: a picture that an earlier version stored with other colours is decoded again.
RENDERING = b"2"
# The decoder has a defect, which is in the log. Other pictures may work.
DECODER_FAILED = "The picture could not be read. Save it again as a JPEG or PNG file, or ask an admin to read the log."


class FrameError(Exception):
    """A frame that cannot be made; the message is for the member."""


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """A valid upload that is not stored yet; `picture` is None if a frame with these bytes exists already."""

    upload: UploadedFile
    sha256: str
    picture: Picture | None


def why_unavailable(pool: Pool | None = None) -> str:
    """Return why the provider cannot be given an uploaded picture; "" if it can, by a public address or an upload."""
    tokens: list[ApiToken] = (pool or Pool.current()).enabled
    if any(token.takes_frames() for token in tokens):
        return ""
    if not tokens:
        return "There is no API token yet, so pictures cannot be uploaded. Use a link instead."
    latest = max(tokens, key=lambda token: token.uploads_refused_at or token.created_at)
    return f"The provider refused the last uploaded picture: {latest.uploads_refusal} Use a link instead."


def check_upload(upload: UploadedFile, member: Member) -> CheckedPicture:
    """Decode an uploaded picture unless its frame exists; raise FrameError or OSError."""
    sha256 = ""
    if (upload.size or 0) <= settings.FRAME_MAX_BYTES:
        sha256 = _sha256_of(upload)
        if Frame.objects.filter(sha256=sha256).exclude(file="").exists():
            return CheckedPicture(upload, sha256, None)
    if refusal := Frame.objects.refusal_for(member):
        raise FrameError(refusal)
    return CheckedPicture(upload, sha256, _decode(upload))


def store(checked: CheckedPicture, member: Member) -> Frame:
    """Store a checked picture, or return the frame that has its bytes; raise FrameError or OSError."""
    if checked.picture is None and (frame := _reuse(checked.sha256)):
        return frame
    return _store(checked.picture or _decode(checked.upload), checked.sha256, member)


def extract(generation: Generation, at: str, member: Member) -> Frame:
    """Store the picture of a saved video at `at`: "first", "last" or seconds. Raises FrameError."""
    if not generation.is_saved:
        raise FrameError("The video is not saved yet, so no frame can be taken from it.")
    if refusal := Frame.objects.refusal_for(member):
        raise FrameError(refusal)
    position: str | float = at
    if at not in ("first", "last"):
        if not re.fullmatch(r"\d{1,6}(\.\d{1,9})?", at) or float(at) > (generation.duration or 0) + 1:
            raise FrameError("There is no frame at this time. Use first, last, or seconds within the video.")
        position = float(at)
    try:
        picture = extract_frame(generation.video_file, position)
        frame = _store(picture, hashlib.sha256(picture.data).hexdigest(), member)
        Frame.objects.filter(pk=frame.pk, source=None).update(source=generation)
        return frame
    except Busy as error:
        raise FrameError(str(error)) from error
    except NotAVideo:
        raise FrameError(
            "The saved video cannot be read. Ask an admin to run manage.py verify_media --repair."
        ) from None
    except DecoderFailed:
        logger.exception("no frame can be taken from generation %s", generation.uuid)
        raise FrameError("The frame could not be taken. Ask an admin to read the log.") from None
    except OSError:
        raise FrameError(
            "The frame could not be taken. Ask an admin: the video may be missing, or the disk full."
        ) from None


def _sha256_of(upload: UploadedFile) -> str:
    digest = hashlib.sha256(RENDERING)
    for chunk in upload.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _decode(upload: UploadedFile) -> Picture:
    try:
        return read_upload(upload)
    except NotAPicture as error:
        raise FrameError(str(error)) from error
    except DecoderFailed:
        logger.exception("an uploaded picture cannot be decoded")
        raise FrameError(DECODER_FAILED) from None


def _reuse(sha256: str) -> Frame | None:
    """Return the stored frame with these bytes, and restart the week for which an unused frame is kept."""
    stored = Frame.objects.filter(sha256=sha256).exclude(file="")
    return stored.first() if stored.update(created_at=timezone.now()) else None


def _store(picture: Picture, sha256: str, member: Member) -> Frame:
    if frame := _reuse(sha256):
        return frame
    name = store_frame(picture, uuid.uuid4().hex)
    values = {"width": picture.width, "height": picture.height, "size_bytes": len(picture.data), "file": name}
    try:
        with transaction.atomic():
            frame, _ = Frame.objects.update_or_create(
                sha256=sha256,
                defaults=values | {"created_at": timezone.now()},
                create_defaults=values | {"member": member},
            )
    except IntegrityError:
        default_storage.delete(name)
        raise
    return frame
