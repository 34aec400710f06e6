"""Save finished videos: fetch the file, check that it is whole, store it, and renew links that stopped working."""

import errno
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DatabaseError, close_old_connections, connection

from lumaweb import logs

from .. import provider
from ..media import download, files
from ..media.decoding.errors import Busy, Incomplete, NotAVideo
from ..models import Generation, Heartbeat, Lease
from ..models.generation.saving import CAUSES, READING
from .provider_calls import look_up

logger = logging.getLogger(__name__)

CLUSTER = "media"  # the queue's workers that save
SUSPECT = "a file that may stop workers"  # the lease's name
SAVING_LEASE = 60.0  # seconds after which another worker may take over a download that fell silent
SAVE_TRIES = 32  # with the waits between them about five days
LONGEST_WAIT = 6 * 3600.0  # seconds between two attempts
LONGEST_WAIT_FOR_ADMIN = 3600.0  # where an admin may change something at any moment
FETCHING_AT_MOST = 720.0  # seconds for both downloads; the queue ends a saving after 900
WORTH_A_DOWNLOAD = 30.0  # seconds that must be left for the second one
LINK_GONE = (400, 401, 403, 404, 410)  # how an expired link answers, by vendor
NO_FAULT_OF_THE_VIDEO = ("not_allowed", "refused_link", "storage_full", "storage_away")  # tried for as long as it takes


def archive(pk: int) -> None:
    """Keep a finished video here, before its link expires."""
    # Many short downloads leave no room for the task that stamps.
    Heartbeat.stamp(CLUSTER)
    generation = Generation.objects.select_related("token").worth_saving().filter(pk=pk).first()
    if not generation:
        return
    with logs.about(generation.uuid):
        if _stopped_a_worker(generation.archive_worker) and not generation.record_worker_death():
            logger.error("generation %s: set aside, as its file stopped the worker again", generation.uuid)
            return
        with _alone(generation) as may_begin:
            if may_begin and generation.begin_saving(SAVING_LEASE, _worker()):
                _archive(generation)


# ── Workers that die ──────────────────────────────────────────────────────────────────────────────────────────


def _worker() -> str:
    """Name this process: its machine, the process that started it, and its own number."""
    return f"{Heartbeat.name_here(CLUSTER)}/{os.getppid()}/{os.getpid()}"


def _stopped_a_worker(name: str) -> bool:
    """Whether the worker of this name, which never ended its saving, was most likely stopped by the file.

    One that died while it read the file was. One that died at another step was, unless all workers of the machine
    ended with it: that was a restart or a power cut.
    """
    if not name:
        return False
    machine, parent, own = name.removesuffix(READING).rsplit("/", 2)
    here, our_parent, _ = _worker().rsplit("/", 2)
    if machine != here:
        return True  # of another machine it cannot be told, and its lease ran out
    if _is_running(int(own)):
        return False  # what it found could not be written down
    return name.endswith(READING) or parent == our_parent


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _alone(generation: Generation) -> Iterator[bool]:
    """Let one file at a time be saved of those that may have stopped a worker; False while it is another's turn.

    Two that were saved side by side are both suspected when both workers end, and would go on to end together.
    """
    if not generation.archive_deaths:
        yield True
        return
    if not Lease.objects.take(SUSPECT, _worker(), SAVING_LEASE):
        generation.postpone_saving(random.uniform(5, 15))
        yield False
        return
    try:
        yield True
    finally:
        Lease.objects.give_back(SUSPECT, _worker())


@contextmanager
def _alive(generation: Generation) -> Iterator[None]:
    """Renew the lease of a saving, and stamp that this machine saves, as long as it takes: the download, the look at
    the file, and the way into a bucket, which may be slow or silent. What hangs is ended by the queue's own limit.
    """
    done = threading.Event()

    def renew() -> None:
        while not done.wait(SAVING_LEASE / 4):
            try:
                generation.renew_saving_lease(SAVING_LEASE)
                if generation.archive_deaths:
                    Lease.objects.take(SUSPECT, _worker(), SAVING_LEASE)
                Heartbeat.stamp(CLUSTER)
            except DatabaseError:
                logger.warning("the saving of %s could not be told to go on", generation.uuid, exc_info=True)
            finally:
                # This thread's own, which nobody else would close.
                connection.close()

    thread = threading.Thread(target=renew, daemon=True, name="still-saving")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def _reading(generation: Generation) -> Iterator[None]:
    """Note in the row that this worker reads the file. When the worker dies or is ended, the note stays."""
    _mark_reading(generation, True)
    try:
        yield
    except Exception:
        _mark_reading(generation, False)
        raise
    _mark_reading(generation, False)


def _mark_reading(generation: Generation, reading: bool) -> None:
    try:
        generation.mark_reading(reading)
    except DatabaseError:
        # Worth less than the download, and only needed if this worker dies.
        logger.warning("generation %s: cannot note that its file is read", generation.uuid, exc_info=True)


# ── One attempt ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed: one of CAUSES, a sentence for members ("" if the cause has one), and the whole story."""

    code: str
    message: str
    story: str


class _NotFetched(Exception):
    """The provider's file could not be had, and what its fresh link led to, in a sentence."""

    def __init__(self, error: Exception, link: str) -> None:
        super().__init__(f"{error} {link}".strip())
        self.error = error


def _archive(generation: Generation) -> None:
    try:
        with _alive(generation):
            saved = _save(generation)
    except SystemExit:
        # The queue's time limit. Where it came while the file was read, the next worker counts it against the file.
        if not generation.archive_worker.endswith(READING):
            _failed(generation, Failure("too_slow", "", CAUSES["too_slow"].text))
        raise
    except Busy:
        # The same attempt begins again when other files have been read.
        logger.info("generation %s: its file waits for others to be read", generation.uuid)
        _written(generation, lambda: generation.return_saving_lease(random.uniform(5, 15)))
        return
    except Exception as error:
        failure = _explain(error)
        if failure.code == "unexpected":
            logger.exception("generation %s: saving failed unexpectedly", generation.uuid)
        _failed(generation, failure)
        return
    facts = {
        name: getattr(saved, name)
        for name in ("video_file", "thumbnail_file", "poster_file", "sha256", "size_bytes", "duration", "frame_rate")
    }
    if not generation.video_width or not generation.video_height:
        facts |= {"video_width": saved.video_width, "video_height": saved.video_height}
    if not _written(generation, lambda: generation.saved(**facts)) and not _names(generation, saved):
        files.forget(saved)


def _names(generation: Generation, saved: files.Saved) -> bool:
    """Whether the row has these files: a step that looked as if it had failed may have been committed."""
    return Generation.objects.filter(pk=generation.pk, video_file=saved.video_file).exists()


def _failed(generation: Generation, failure: Failure) -> None:
    """Wait, longer after each attempt; after the last one give up, or go back to a copy that is better than none."""
    # Counted in attempts, not by the video's age: a file lost after a year, or restored, has the same patience.
    tries = generation.archive_attempts
    waits_for_others = failure.code in NO_FAULT_OF_THE_VIDEO
    longest = LONGEST_WAIT_FOR_ADMIN if waits_for_others else LONGEST_WAIT
    retry_in = min(longest, 5 * 2 ** min(max(0, tries - 1), 13)) * random.uniform(0.8, 1.2)
    logger.warning("generation %s: not saved: %s", generation.uuid, failure.story)
    for_good = tries > SAVE_TRIES and not waits_for_others
    if for_good and _has_its_copy(generation):
        _written(generation, lambda: generation.keep_incomplete(failure.story))
        return
    _written(
        generation,
        lambda: generation.save_failed(
            failure.story, for_good=for_good, retry_in=retry_in, code=failure.code, message=failure.message
        ),
    )


def _has_its_copy(generation: Generation) -> bool:
    """Whether the file that was saved before is still there as it was: incomplete, but nothing better exists."""
    if not generation.video_file:
        return False
    try:
        with files.on_disk(generation.video_file) as (_, sha256):
            return sha256 == generation.sha256
    except FileNotFoundError:
        return False


def _written(generation: Generation, step: Callable[[], bool]) -> bool:
    """Write down what came of an attempt; a database that is locked or away for a moment is tried again."""
    for wait in (0.5, 1, 2, 4, 8):
        try:
            return step()
        except DatabaseError:
            logger.warning("generation %s: what came of its saving is not written yet", generation.uuid, exc_info=True)
            time.sleep(wait)
            close_old_connections()
    return step()


def _save(generation: Generation) -> files.Saved:
    """Fetch the video; if that fails and the provider gives another link, once more by that."""
    ends = time.monotonic() + FETCHING_AT_MOST

    def attempt() -> files.Saved:
        seconds = min(files.DOWNLOAD_SECONDS, ends - time.monotonic())
        return files.save_video(generation, seconds=seconds, reading=lambda: _reading(generation))

    try:
        return attempt()
    except (download.NotAllowed, download.DownloadFailed, NotAVideo) as error:
        link = _relink(generation, error)
        if link or ends - time.monotonic() < WORTH_A_DOWNLOAD:
            raise _NotFetched(error, link) from error
    try:
        return attempt()
    except (download.NotAllowed, download.DownloadFailed, NotAVideo) as error:
        raise _NotFetched(error, "A fresh link did not help.") from error


def _relink(generation: Generation, error: Exception) -> str:
    """Ask the provider for the video's link of today; return "" if it is another one, else why there is none."""
    if not generation.task_id:
        return "Its task id is not known, so the provider cannot be asked for a fresh link."
    try:
        result = look_up(generation.token, generation.task_id)
    except provider.ProviderError as refusal:
        logger.info("generation %s: no fresh link: %s", generation.uuid, refusal)
        return f"A fresh link could not be looked up ({refusal.code})."
    if result is None:
        bad_link = not isinstance(error, download.DownloadFailed) or error.status in LINK_GONE
        if bad_link and generation.disown():
            logger.warning("generation %s: its callback was about a task nobody knows", generation.uuid)
        return "The provider no longer knows its task, so there is no fresh link."
    if not result.video_url:
        return "The provider no longer has a link to it."
    if not generation.relink(result):
        return "The provider gives no other link."
    return ""


def _explain(error: Exception) -> Failure:
    """Judge the error of an attempt."""
    cause = error.error if isinstance(error, _NotFetched) else error
    code = _code(cause)
    return Failure(code, "" if CAUSES[code].text else str(error), str(error))


def _code(error: Exception) -> str:
    if isinstance(error, download.NotAllowed):
        return "not_allowed" if isinstance(error, download.HostNotListed) else "refused_link"
    if isinstance(error, Incomplete):
        return "incomplete"
    if isinstance(error, NotAVideo):
        return "not_a_video"
    if isinstance(error, download.TooLarge):
        return "too_large"
    if isinstance(error, download.DownloadFailed):
        if error.status in (401, 403):
            return "no_access"
        if error.status in LINK_GONE:
            return "link_gone"
        return "server_error" if error.status else "unreachable"
    if isinstance(error, OSError):
        return "storage_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "storage_away"
    return "unexpected"
