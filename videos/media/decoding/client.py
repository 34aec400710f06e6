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
from typing import Any, BinaryIO

from django.conf import settings

from . import errors, slots
from .errors import Busy, DecoderFailed, NotAPicture, NotAVideo
from .limits import OUT_OF_MEMORY

logger = logging.getLogger(__name__)

MB = 1024**2


@dataclass(frozen=True, slots=True)
class Limits:
    """What the process may take: bytes of memory, seconds of processor time, and seconds until it is killed."""

    memory: int
    cpu: int
    seconds: float


# Two processes at this memory stay within 1 GB; what needs more runs alone, with both slots and MEMORY_ALONE.
MEMORY, MEMORY_ALONE = 500 * MB, 950 * MB
PICTURE = Limits(MEMORY, 12, 40.0)
THUMBNAIL = Limits(MEMORY, 6, 15.0)  # worth less than the time of the worker that waits for it
VIDEO = Limits(MEMORY, 20, 60.0)
CHECK = Limits(MEMORY, 60, 300.0)  # an admin waits for it, perhaps for a slow disk
# Seconds to wait for a slot: a member's request holds a thread of the web server meanwhile, a saving holds a worker.
MEMBER_WAITS, WORKER_WAITS = 8.0, 30.0
# Savings leave a slot to the members.
FOR_SAVINGS = slots.NAMES[1:]
# Threads of one web process that may wait for a decoding: the other half serves pages.
WAITING_AT_MOST = 3
OUTPUT_AT_MOST = 64 * MB  # a frame of 4096×4096 takes about 20
COMPLAINT_AT_MOST = 16 * 1024  # bytes of the standard error that are kept
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
CHUNK_SIZE = MB

_waiting = threading.BoundedSemaphore(WAITING_AT_MOST)
_REFUSALS = {kind.__name__: kind for kind in (NotAPicture, NotAVideo, errors.Incomplete)}


@dataclass(frozen=True, slots=True)
class Picture:
    """A re-encoded JPEG; width, height in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Stills:
    """The pictures that stand for a video: a poster (WebP) for the gallery and a full-size still (JPEG)."""

    poster: bytes
    still: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """Of a whole video: seconds, frames a second (None if the file does not say), pixels; its stills if wanted."""

    duration: float
    frame_rate: float | None
    width: int
    height: int
    stills: Stills | None


class _Exceeded(Exception):
    """The process was ended by its limit of "memory" or "time", "killed" by the system, or its file made it "crash"."""

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


def read_picture(file) -> Picture:
    """Decode an upload (JPEG, PNG or WebP) and encode it again as a JPEG. Raises NotAPicture, Busy, OSError."""
    try:
        with _one_of_few(), regular_file(file) as copy:
            facts, [data] = _decode("pictures", "frame", copy, PICTURE, MEMBER_WAITS)
    except _Exceeded as end:
        raise NotAPicture(_PICTURE_EXCEEDED[end.limit]) from None
    return Picture(data, facts["width"], facts["height"])


def read_thumbnail(data: bytes) -> Stills | None:
    """Decode a provider's thumbnail; None where it is no picture we can read. Raises Busy, OSError."""
    with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
        file.write(data)
        file.flush()
        try:
            _, pictures = _decode("pictures", "thumbnail", file, THUMBNAIL, WORKER_WAITS, FOR_SAVINGS)
        except (NotAPicture, _Exceeded) as reason:
            logger.info("a thumbnail cannot be read: %s", reason)
            return None
    return Stills(*pictures)


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
        _decode_video("check", file, CHECK, WORKER_WAITS, FOR_SAVINGS)


def read_video(path: Path, *, stills: bool) -> Facts:
    """Check that an MP4 file is whole and read its facts. Raises NotAVideo, Incomplete, Busy, OSError."""
    with path.open("rb") as file:
        facts, pictures = _decode_video("read", file, VIDEO, WORKER_WAITS, FOR_SAVINGS, stills=stills)
    return Facts(**facts, stills=Stills(*pictures) if stills else None)


def extract_frame(file, at: float | str) -> Picture:
    """Return the picture that a player shows at this time (s), or the "first" or "last" one.

    Raises NotAVideo, Busy, OSError.
    """
    with _one_of_few(), regular_file(file) as copy:
        facts, [data] = _decode_video("extract", copy, VIDEO, MEMBER_WAITS, at=at)
    return Picture(data, facts["width"], facts["height"])


def _decode_video(operation: str, file: BinaryIO, limits: Limits, wait: float, among=slots.NAMES, **parameters):
    try:
        return _decode("video", operation, file, limits, wait, among, **parameters)
    except _Exceeded as end:
        raise NotAVideo(_VIDEO_EXCEEDED[end.limit]) from None


# ── The process ───────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def regular_file(file) -> Iterator[BinaryIO]:
    """Yield an open file as one of this machine's, which another process can read; it is copied where it is none."""
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
    module: str, operation: str, file: BinaryIO, limits: Limits, wait: float, among=slots.NAMES, **parameters
) -> tuple[dict[str, Any], list[bytes]]:
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
    module: str, operation: str, file: BinaryIO, limits: Limits, held: list[int], parameters: dict
) -> tuple[dict[str, Any], list[bytes]]:
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
        output, complaint = _collect(process, deadline)
    finally:
        # Also when this thread is ended by the queue's time limit.
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            pipe.close()
    return _result(process.returncode, output, complaint)


def _environment() -> dict[str, str]:
    """Return the environment of the process: no secrets, and one heap, so that its memory limit is what it uses."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {"MALLOC_ARENA_MAX": "1"}


def _collect(process: subprocess.Popen, deadline: float) -> tuple[bytes, bytes]:
    """Read what the process prints until it ends. Raises _Exceeded at the deadline, DecoderFailed for a flood."""
    read = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for pipe in read:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Exceeded("time")
            for key, _ in selector.select(left):
                if data := os.read(key.fd, 65536):
                    read[key.fileobj] += data
                else:
                    selector.unregister(key.fileobj)
            if len(read[process.stdout]) > OUTPUT_AT_MOST:
                raise DecoderFailed("It printed more than a decoded file can have.")
            del read[process.stderr][:-COMPLAINT_AT_MOST]
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _Exceeded("time") from None
    return bytes(read[process.stdout]), bytes(read[process.stderr])


def _result(status: int, output: bytes, complaint: bytes) -> tuple[dict[str, Any], list[bytes]]:
    if status == OUT_OF_MEMORY:
        raise _Exceeded("memory")
    if -status in (signal.SIGXCPU, signal.SIGALRM):
        raise _Exceeded("time")
    if status < 0:
        logger.warning("a file ended its decoding process by %s", signal.Signals(-status).name)
        # Nobody else sends SIGKILL than the kernel, where the machine or the container has no memory left.
        raise _Exceeded("killed" if -status == signal.SIGKILL else "crash")
    if status:
        raise DecoderFailed(complaint.decode(errors="replace").strip() or f"It ended with status {status}.")
    line, _, rest = output.partition(b"\n")
    facts = json.loads(line)
    if name := facts.get("refusal"):
        raise _REFUSALS[name](facts["message"])
    pictures = []
    for size in facts.pop("pictures"):
        pictures.append(rest[:size])
        rest = rest[size:]
    return facts, pictures
