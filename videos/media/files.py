"""Pictures and videos: reading what was uploaded, fetching what was made, and what is cut from it."""

import hashlib
import io
import logging
import os
import posixpath
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from . import download
from .decoding import client as decoding
from .decoding.client import Picture
from .decoding.errors import Busy, Incomplete, NotAPicture, NotAVideo

__all__ = ["Busy", "Incomplete", "NotAPicture", "NotAVideo", "Picture"]

logger = logging.getLogger(__name__)

THUMBNAIL_MAX_BYTES = 10 * 1024 * 1024
THUMBNAIL_SECONDS = 5.0  # a small file that takes longer is worth less than the worker that waits for it
DOWNLOAD_SECONDS = 600.0
CHUNK_SIZE = 1024 * 1024
LEFT_AFTER = 3600.0  # seconds, which no saving takes: the queue ends each after 15 minutes


@dataclass(frozen=True, slots=True)
class Saved:
    """Names in our storage and facts of a saved video: bytes, seconds, pictures a second, pixels."""

    video_file: str
    thumbnail_file: str
    poster_file: str
    sha256: str
    size_bytes: int
    duration: float
    frame_rate: float | None
    video_width: int
    video_height: int


def read_picture(upload) -> Picture:
    """Decode an upload (JPEG, PNG or WebP) and encode it again, so that none of its bytes are kept.

    Raises NotAPicture, Busy, OSError.
    """
    if upload.size > settings.FRAME_MAX_BYTES:
        raise NotAPicture(f"The picture is larger than {settings.FRAME_MAX_BYTES // 1024**2} MB. Use a smaller one.")
    return decoding.read_picture(upload)


def store_picture(picture: Picture, name: str) -> str:
    return default_storage.save(f"frames/{name}.jpg", ContentFile(picture.data))


class _Moved(File):
    """A finished temporary file that a local storage moves into place in one step instead of copying it.

    A bucket is given its parts from the disk, so that a large one is not in memory either.
    """

    def temporary_file_path(self) -> str:
        return self.name


def rules_for(generation, max_bytes: int, deadline: float = DOWNLOAD_SECONDS) -> download.Rules:
    """Allow the CDN's hosts, the provider's own origin, and ours while the provider runs on this machine.

    A remote provider that names our origin could have any of our own addresses fetched from inside.
    """
    origins = [generation.token.base_url]
    if generation.token.is_local:
        origins.append(settings.PUBLIC_URL or settings.LOCAL_URL)
    return download.Rules(
        hosts=frozenset(host.lower() for host in settings.MEDIA_HOSTS),
        origins=frozenset(download.origin_of(url) for url in origins),
        max_bytes=max_bytes,
        deadline=deadline,
    )


def save_video(
    generation,
    *,
    seconds: float = DOWNLOAD_SECONDS,
    reading: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Saved:
    """Fetch a finished video and its thumbnail into our storage, once the file is known to be whole.

    `seconds` is what the download may take; `reading` is entered for as long as the files are read, which is when a
    bad one could keep this process. Raises download.NotAllowed, download.DownloadFailed, NotAVideo, Busy or OSError;
    then nothing is left behind.
    """
    folder = incoming()
    _clear(folder)
    stored: list[str] = []
    # A name of its own for each saving: of two at the same time the one that comes too late takes its files away again.
    base = f"videos/{generation.uuid.hex[:2]}/{generation.uuid}-{secrets.token_hex(4)}"
    with NamedTemporaryFile(dir=folder, suffix=".mp4", delete=False) as file:
        path = Path(file.name)
        try:
            thumbnail = _thumbnail_while_we_wait(generation)
            fetched = download.fetch(
                generation.video_url, rules_for(generation, settings.VIDEO_MAX_BYTES, seconds), file
            )
            file.flush()
            os.fsync(file.fileno())
            picture = thumbnail.result()
            with reading():
                given = decoding.read_thumbnail(picture) if picture else None
                facts = decoding.read_video(path, stills=given is None)
                stills = given or facts.stills

            def keep(ending: str, content: File) -> str:
                stored.append(default_storage.save(f"{base}{ending}", content))
                return stored[-1]

            names = keep(".webp", ContentFile(stills.poster)), keep(".jpg", ContentFile(stills.still))
            path.chmod(0o640)
            with path.open("rb") as finished:
                video = keep(".mp4", _Moved(finished, name=str(path)))
            for name in stored:
                outlasts_a_power_cut(name)
            if default_storage.size(video) != fetched.bytes:
                raise OSError(f"The storage has kept only a part of {video}.")
        except BaseException:
            take_away(stored)
            raise
        finally:
            path.unlink(missing_ok=True)
    return Saved(
        video, names[1], names[0], fetched.sha256, fetched.bytes,
        facts.duration, facts.frame_rate, facts.width, facts.height,
    )  # fmt: skip


def incoming() -> Path:
    """The folder for files that are not stored yet, on a disk of this machine."""
    folder = Path(settings.MEDIA_ROOT) / "incoming"
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    return folder


def _clear(folder: Path) -> None:
    """Remove what savings that were killed have left behind: none takes so long."""
    for path in folder.glob("*.mp4"):
        with suppress(FileNotFoundError):  # another worker was faster
            if time.time() - path.stat().st_mtime > LEFT_AFTER:
                path.unlink()


def outlasts_a_power_cut(name: str, storage=default_storage) -> None:
    """Have a stored file and the folders that lead to it on the disk: the row is about to promise that it is there."""
    try:
        path = Path(storage.path(name))
    except NotImplementedError:  # a storage that is not on this machine's disks
        return
    root = Path(settings.MEDIA_ROOT)
    for place in (path, *(folder for folder in path.parents if folder.is_relative_to(root))):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def put_in_place(path: Path, name: str, storage=default_storage) -> None:
    """Give a finished file to a storage under exactly this name; raise OSError where there is one already.

    Afterwards a folder has it instead of `path`, a bucket besides.
    """
    path.chmod(0o640)
    with path.open("rb") as finished:
        stored = storage.save(name, _Moved(finished, name=str(path)))
    if stored != name:
        storage.delete(stored)
        raise FileExistsError(f"There is a file in the media already: {name}")


def sizes(names: Iterable[str]) -> dict[str, int]:
    """The bytes of those files that are there; a bucket is asked for all of them at once. Raises OSError."""
    if at_once := getattr(default_storage, "sizes", None):
        return at_once(names)
    found = {}
    for name in names:
        with suppress(FileNotFoundError):
            found[name] = default_storage.size(name)
    return found


def names(folder: str = "") -> Iterator[str]:
    """Every file of our storage in and below a folder, one folder in memory at a time. Raises OSError."""
    if whole := getattr(default_storage, "files", None):
        yield from (name for name, _ in whole(folder))
        return
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in sorted(files):
        yield posixpath.join(folder, name)
    for name in sorted(folders):
        yield from names(posixpath.join(folder, name))


@contextmanager
def on_disk(stored) -> Iterator[tuple[Path, str]]:
    """Yield the path of a stored file on a disk of this machine and its SHA-256 in hex. Raises OSError.

    What is in a bucket is copied for as long as that takes.
    """
    try:
        path = Path(stored.path)
    except NotImplementedError:
        with stored.open("rb") as source, NamedTemporaryFile(dir=incoming(), suffix=".mp4") as copy:
            digest = hashlib.sha256()
            while chunk := source.read(CHUNK_SIZE):
                digest.update(chunk)
                copy.write(chunk)
            copy.flush()
            yield Path(copy.name), digest.hexdigest()
    else:
        with path.open("rb") as source:
            sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        yield path, sha256


def forget(saved: Saved) -> None:
    """Delete files that turned out to be a second copy."""
    take_away([saved.video_file, saved.thumbnail_file, saved.poster_file])


def take_away(stored: list[str]) -> None:
    """Delete files that were stored in vain; what cannot be deleted stays."""
    for name in stored:
        try:
            default_storage.delete(name)
        except OSError as error:
            # Why this is done matters more. It lies there until somebody asks verify_media what nobody names.
            logger.warning("file %s is not needed and cannot be removed: %s", name, error)


def cut(stored, at: float | str) -> Picture:
    """Return the picture of a saved video that a player shows at this time (s), or its "first" or "last" one.

    Raises NotAVideo, Busy, and OSError where the file is not to be had.
    """
    with stored.open("rb") as file:
        return decoding.cut(file, at)


def _thumbnail_while_we_wait(generation) -> Future[bytes]:
    """Fetch the provider's thumbnail beside the video; b"" where there is none within its few seconds."""

    def fetch() -> bytes:
        data = io.BytesIO()
        try:
            download.fetch(generation.thumbnail_url, rules, data)
        except (download.NotAllowed, download.DownloadFailed) as error:
            logger.info("no thumbnail of %s, so the poster is made from the video: %s", generation.uuid, error)
            return b""
        return data.getvalue()

    done: Future[bytes] = Future()
    if not generation.thumbnail_url:
        done.set_result(b"")
        return done
    rules = rules_for(generation, THUMBNAIL_MAX_BYTES, THUMBNAIL_SECONDS)
    thread = ThreadPoolExecutor(1, "thumbnail")
    fetched = thread.submit(fetch)
    thread.shutdown(wait=False)
    return fetched
