"""Run the decoding process for untrusted files: at most two at a time per data directory."""

import errno
import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files import File

from . import errors, slots
from .errors import Busy, DecoderFailed, NotAPicture, NotAVideo
from .limits import OUT_OF_MEMORY

logger = logging.getLogger(__name__)

MB = 1024**2
Source = File | IO[bytes]
Decoded = tuple[dict[str, Any], list[bytes]]  # facts, and encoded pictures


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the process: bytes of memory, seconds of processor time, and seconds until it is killed."""

    memory: int
    cpu: int
    seconds: float


# Two processes with MEMORY stay within 1 GB; a file that needs more is decoded alone, with both slots.
MEMORY, MEMORY_ALONE = 500 * MB, 950 * MB
PICTURE = Limits(MEMORY, 12, 40.0)
THUMBNAIL = Limits(MEMORY, 6, 15.0)  # a worker does not wait longer: the poster can be made from the video
VIDEO = Limits(MEMORY, 20, 60.0)
CHECK = Limits(MEMORY, 60, 300.0)  # for an admin, perhaps with a slow disk
# Seconds to wait for a slot. Meanwhile a member's request occupies a thread of the web server, a save a worker.
MEMBER_WAIT, WORKER_WAIT = 8.0, 30.0
# Saves leave a slot for members.
SAVING_SLOTS = slots.NAMES[1:]
# Threads of one web process that may wait for a decoding: the other half serves pages.
MAX_WAITING = 3
MAX_OUTPUT = 64 * MB  # a frame of 4096×4096 takes about 20
MAX_ERROR_OUTPUT = 16 * 1024  # bytes of the standard error that are kept
INHERITED_VARIABLES = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONDONTWRITEBYTECODE",
)
CHUNK_SIZE = MB

_waiting = threading.BoundedSemaphore(MAX_WAITING)
_REFUSALS = {kind.__name__: kind for kind in (NotAPicture, NotAVideo, errors.Incomplete)}


@dataclass(frozen=True, slots=True)
class Picture:
    """A re-encoded JPEG; width, height in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Stills:
    """The pictures of a video: a poster (WebP) for the gallery and a full-size still (JPEG). color: "#rrggbb"."""

    poster: bytes
    still: bytes
    color: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of a whole video: seconds, frames a second (None if unknown), pixels, and its stills if requested."""

    duration: float
    frame_rate: float | None
    width: int
    height: int
    stills: Stills | None


class _Exceeded(Exception):
    """The process exceeded its limit of "memory" or "time", was "killed" by the system, or crashed ("crash")."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


# ── Pictures ──────────────────────────────────────────────────────────────────────────────────────────────────

_PICTURE_EXCEEDED = {
    "memory": "The picture takes more memory to read than can be used. Scale it down first.",
    "time": "The picture takes too long to read. Scale it down, or save it again as a PNG file.",
    "killed": "The picture takes more memory to read than there is now. Try again later, or scale it down first.",
    "crash": "This picture cannot be read. Save it again as a JPEG or PNG file.",
}


def read_picture(file: Source) -> Picture:
    """Decode an upload and encode it again as a JPEG of what people see. Raises NotAPicture, Busy, OSError."""
    try:
        with _one_of_few(), as_local_file(file) as copy:
            facts, [data] = _decode(_picture_module(copy), "frame", copy, PICTURE, MEMBER_WAIT)
    except _Exceeded as end:
        raise NotAPicture(_PICTURE_EXCEEDED[end.limit]) from None
    return Picture(data, facts["width"], facts["height"])


def _picture_module(file: Source) -> str:
    """Return the module whose process has the decoder for this file."""
    file.seek(0)
    return "heif_pictures" if file.read(8)[4:] == b"ftyp" else "pictures"


def read_thumbnail(data: bytes) -> Stills | None:
    """Decode a provider's thumbnail; return None if that is not possible. Raises Busy, OSError."""
    with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
        file.write(data)
        file.flush()
        try:
            facts, pictures = _decode("pictures", "thumbnail", file, THUMBNAIL, WORKER_WAIT, SAVING_SLOTS)
        except (NotAPicture, _Exceeded) as reason:
            logger.info("a thumbnail cannot be read: %s", reason)
            return None
    poster, still = pictures
    return Stills(poster, still, facts["color"])


def read_color(file: Source) -> str:
    """Return the dominant color of a poster; "" if it cannot be read. Raises Busy, OSError."""
    with as_local_file(file) as copy:
        try:
            facts, _ = _decode("pictures", "color", copy, THUMBNAIL, WORKER_WAIT, SAVING_SLOTS)
        except (NotAPicture, _Exceeded) as reason:
            logger.info("the color of a poster cannot be read: %s", reason)
            return ""
    return str(facts["color"])


# ── Videos ────────────────────────────────────────────────────────────────────────────────────────────────────

_VIDEO_EXCEEDED = {
    "memory": "The file takes more memory to read than can be used.",
    "time": "The file takes too long to read.",
    "killed": "The file takes more memory to read than there is now.",
    "crash": "The file cannot be read: it stopped the decoder.",
}


def check_video(path: Path) -> None:
    """Check that an MP4 file is whole. Raises NotAVideo, Incomplete, Busy, OSError."""
    with path.open("rb") as file:
        _decode_video("check", file, CHECK, WORKER_WAIT, SAVING_SLOTS)


def read_video(path: Path, *, stills: bool) -> Facts:
    """Check that an MP4 file is whole and read its facts. Raises NotAVideo, Incomplete, Busy, OSError."""
    with path.open("rb") as file:
        facts, pictures = _decode_video("read", file, VIDEO, WORKER_WAIT, SAVING_SLOTS, stills=stills)
    if not stills:
        return Facts(**facts, stills=None)
    poster, still = pictures
    made = Stills(poster, still, facts.pop("color"))
    return Facts(**facts, stills=made)


def extract_frame(file: Source, at: float | str) -> Picture:
    """Return the picture that a player shows at this time (s), or the "first" or "last" one.

    Raises NotAVideo, Busy, OSError.
    """
    with _one_of_few(), as_local_file(file) as copy:
        facts, [data] = _decode_video("extract", copy, VIDEO, MEMBER_WAIT, at=at)
    return Picture(data, facts["width"], facts["height"])


def _decode_video(
    operation: str, file: Source, limits: Limits, wait: float, among: tuple[str, ...] = slots.NAMES, **parameters: Any
) -> Decoded:
    try:
        return _decode("video", operation, file, limits, wait, among, **parameters)
    except _Exceeded as end:
        raise NotAVideo(_VIDEO_EXCEEDED[end.limit]) from None


# ── The process ───────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def as_local_file(file: Source) -> Iterator[Source]:
    """Yield a file that has a descriptor, which another process can read: this one, or a temporary copy."""
    try:
        file.fileno()
    except (OSError, AttributeError):  # in memory, or in a bucket
        with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as copy:
            file.seek(0)
            while chunk := file.read(CHUNK_SIZE):
                copy.write(chunk)
            copy.flush()
            yield copy
    else:
        yield file


@contextmanager
def _one_of_few() -> Iterator[None]:
    if not _waiting.acquire(blocking=False):
        raise Busy(slots.BUSY)
    try:
        yield
    finally:
        _waiting.release()


def _decode(
    module: str,
    operation: str,
    file: Source,
    limits: Limits,
    wait: float,
    among: tuple[str, ...] = slots.NAMES,
    **parameters: Any,
) -> Decoded:
    """Decode a file with one slot; if its memory is not enough, again with all slots and MEMORY_ALONE."""
    try:
        with slots.one(settings.DATA_DIR, wait, among) as held:
            return _run(module, operation, file, limits, held, parameters)
    except _Exceeded as end:
        if end.limit != "memory":
            raise
    with slots.all_of_them(settings.DATA_DIR, wait) as held:
        alone = Limits(MEMORY_ALONE, limits.cpu, limits.seconds)
        return _run(module, operation, file, alone, held, parameters)


def _run(
    module: str, operation: str, file: Source, limits: Limits, held: list[int], parameters: dict[str, Any]
) -> Decoded:
    """Run the decoding process. Raises what it raised, _Exceeded, Busy, DecoderFailed."""
    file.seek(0)  # the process shares the position
    deadline = time.monotonic() + limits.seconds
    command = json.dumps(parameters | {"limits": asdict(limits)})
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", f"videos.media.decoding.{module}", operation, command],
            cwd=settings.BASE_DIR,
            env=_environment(),
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=held,
        )
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.ENOMEM):
            raise
        logger.warning("no process can be started to decode a file: %s", error)
        raise Busy(slots.BUSY) from None
    try:
        output, error_output = _collect(process, deadline)
    finally:
        # Also if the queue's time limit ends this thread.
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()
    return _result(process.returncode, output, error_output)


def _environment() -> dict[str, str]:
    """Return an environment without secrets, and with one malloc arena, so that the memory limit counts real use."""
    return {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ} | {"MALLOC_ARENA_MAX": "1"}


def _collect(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes]:
    """Read the output and the error output until the process ends.

    Raises _Exceeded at the deadline, DecoderFailed for too much output.
    """
    output, error_output = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for pipe, data in ((process.stdout, output), (process.stderr, error_output)):
            if pipe:
                selector.register(pipe, selectors.EVENT_READ, data)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Exceeded("time")
            for key, _ in selector.select(left):
                if chunk := os.read(key.fd, 65536):
                    key.data.extend(chunk)
                else:
                    selector.unregister(key.fileobj)
            if len(output) > MAX_OUTPUT:
                raise DecoderFailed("It printed more than the largest decoded file.")
            del error_output[:-MAX_ERROR_OUTPUT]
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _Exceeded("time") from None
    return bytes(output), bytes(error_output)


def _result(status: int, output: bytes, error_output: bytes) -> Decoded:
    """Parse the output of a process that has ended. Raises what it raised, _Exceeded, DecoderFailed."""
    if status == OUT_OF_MEMORY:
        raise _Exceeded("memory")
    if -status in (signal.SIGXCPU, signal.SIGALRM):
        raise _Exceeded("time")
    if status < 0:
        logger.warning("a file ended its decoding process by %s", signal.Signals(-status).name)
        # Only the kernel sends SIGKILL, when the machine or the container has no memory left.
        raise _Exceeded("killed" if -status == signal.SIGKILL else "crash")
    if status:
        raise DecoderFailed(error_output.decode(errors="replace").strip() or f"It ended with status {status}.")
    line, _, rest = output.partition(b"\n")
    facts = json.loads(line)
    if name := facts.get("refusal"):
        raise _REFUSALS[name](facts["message"])
    pictures = []
    for size in facts.pop("pictures"):
        pictures.append(rest[:size])
        rest = rest[size:]
    return facts, pictures
