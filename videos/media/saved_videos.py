"""Save finished videos: fetch a video and its thumbnail, check them, and put them into the storage."""

import io
import logging
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from . import download
from .decoding import client as decoding
from .storage import FILE_MODE, LocalFile, delete_files, flush_to_disk, incoming_folder

logger = logging.getLogger(__name__)

THUMBNAIL_MAX_BYTES = 10 * 1024 * 1024
THUMBNAIL_SECONDS = 5.0  # a worker does not wait longer: the poster can be made from the video
DOWNLOAD_SECONDS = 600.0
ABANDONED_AFTER = 3600.0  # seconds; the queue ends each save after 15 minutes


@dataclass(frozen=True, slots=True)
class RemoteVideo:
    """A finished video at its provider; is_local: the provider runs on this machine."""

    uuid: UUID
    video_url: str
    thumbnail_url: str
    base_url: str
    is_local: bool


@dataclass(frozen=True, slots=True)
class SavedVideo:
    """The names in our storage and the facts of a saved video: bytes, seconds, frames a second, pixels."""

    video_file: str
    thumbnail_file: str
    poster_file: str
    poster_color: str
    sha256: str
    size_bytes: int
    duration: float
    frame_rate: float | None
    video_width: int
    video_height: int

    def delete(self) -> None:
        """Delete its files, because another save was recorded."""
        delete_files([self.video_file, self.thumbnail_file, self.poster_file])


def download_rules(base_url: str, *, is_local: bool, max_bytes: int, deadline: float) -> download.Rules:
    """Allow the CDN's hosts, the provider's own origin, and ours if the provider runs on this machine.

    A remote provider that names our origin could make us fetch any of our own internal addresses.
    """
    origins = [base_url]
    if is_local:
        origins.append(settings.PUBLIC_URL or settings.LOCAL_URL)
    return download.Rules(
        hosts=frozenset(host.lower() for host in settings.MEDIA_HOSTS),
        origins=frozenset(download.origin_of(url) for url in origins),
        max_bytes=max_bytes,
        deadline=deadline,
    )


def save_video(
    video: RemoteVideo,
    *,
    seconds: float = DOWNLOAD_SECONDS,
    reading: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> SavedVideo:
    """Fetch a finished video and its thumbnail into our storage, after checking that the file is whole.

    `seconds` limits the download. `reading` is entered while the files are decoded, when a malicious file could stop
    this process. Raises download.NotAllowed, download.DownloadFailed, NotAVideo, Busy or OSError, and then leaves no
    file behind.
    """
    folder = incoming_folder()
    _delete_abandoned(folder)
    with NamedTemporaryFile(dir=folder, suffix=".mp4", delete=False) as file:
        path = Path(file.name)
        try:
            thumbnail = _fetch_thumbnail(video)
            rules = download_rules(
                video.base_url, is_local=video.is_local, max_bytes=settings.VIDEO_MAX_BYTES, deadline=seconds
            )
            fetched = download.fetch(video.video_url, rules, file)
            file.flush()
            os.fsync(file.fileno())
            thumbnail_data = thumbnail.result()
            with reading():
                provided = decoding.read_thumbnail(thumbnail_data) if thumbnail_data else None
                facts = decoding.read_video(path, stills=provided is None)
            stills = provided or facts.stills
            if stills is None:
                raise RuntimeError("The decoder returned no stills.")
            return _store(video.uuid, path, fetched, facts, stills)
        finally:
            path.unlink(missing_ok=True)


def _store(
    uuid: UUID, path: Path, fetched: download.Fetched, facts: decoding.Facts, stills: decoding.Stills
) -> SavedVideo:
    """Put the video and its stills into the storage; delete what was stored if a step fails."""
    # A new name for each save: of two at the same time, the one that loses deletes its own files only.
    base = f"videos/{uuid.hex[:2]}/{uuid}-{secrets.token_hex(4)}"
    stored: list[str] = []

    def store(ending: str, content: File) -> str:
        stored.append(default_storage.save(f"{base}{ending}", content))
        return stored[-1]

    try:
        poster_file = store(".webp", ContentFile(stills.poster))
        thumbnail_file = store(".jpg", ContentFile(stills.still))
        path.chmod(FILE_MODE)
        with path.open("rb") as finished:
            video_file = store(".mp4", LocalFile(finished, path))
        for name in stored:
            flush_to_disk(name)
        if default_storage.size(video_file) != fetched.bytes:
            raise OSError(f"The storage has kept only a part of {video_file}.")
    except BaseException:
        delete_files(stored)
        raise
    return SavedVideo(
        video_file=video_file,
        thumbnail_file=thumbnail_file,
        poster_file=poster_file,
        poster_color=stills.color,
        sha256=fetched.sha256,
        size_bytes=fetched.bytes,
        duration=facts.duration,
        frame_rate=facts.frame_rate,
        video_width=facts.width,
        video_height=facts.height,
    )


def _delete_abandoned(folder: Path) -> None:
    """Delete the files of saves whose worker was killed."""
    for path in folder.glob("*.mp4"):
        with suppress(FileNotFoundError):  # another worker was faster
            if time.time() - path.stat().st_mtime > ABANDONED_AFTER:
                path.unlink()


def _fetch_thumbnail(video: RemoteVideo) -> Future[bytes]:
    """Fetch the provider's thumbnail in another thread; the result is b"" if it does not arrive in time."""
    if not video.thumbnail_url:
        none: Future[bytes] = Future()
        none.set_result(b"")
        return none
    rules = download_rules(
        video.base_url, is_local=video.is_local, max_bytes=THUMBNAIL_MAX_BYTES, deadline=THUMBNAIL_SECONDS
    )

    def fetch() -> bytes:
        data = io.BytesIO()
        try:
            download.fetch(video.thumbnail_url, rules, data)
        except (download.NotAllowed, download.DownloadFailed) as error:
            logger.info("no thumbnail of %s, so the poster is made from the video: %s", video.uuid, error)
            return b""
        return data.getvalue()

    executor = ThreadPoolExecutor(1, "thumbnail")
    thumbnail = executor.submit(fetch)
    executor.shutdown(wait=False)
    return thumbnail
