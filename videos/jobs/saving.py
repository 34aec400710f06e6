"""Save finished videos: fetch the file, check that it is whole, store it, and renew links that stopped working."""

import logging
import random
import time
from collections.abc import Callable

from django.db import DatabaseError, close_old_connections

from lumaweb import logs

from .. import provider
from ..media import download, saved_videos, storage
from ..media.decoding.errors import Busy, NotAVideo
from ..media.saved_videos import RemoteVideo, SavedVideo
from ..models import Generation, Heartbeat
from ..models.generation.saving import READING
from ..models.generation.saving_explanation import CAUSES
from .provider_calls import look_up
from .queue import MEDIA_CLUSTER
from .saving_failures import GONE_STATUSES, Failure, NotFetched, classify
from .saving_worker import (
    SAVING_LEASE,
    kept_lease,
    marked_as_reading,
    suspects_one_by_one,
    was_stopped_by_file,
    worker_name,
)

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 32  # with the pauses between them about five days
MAX_PAUSE = 6 * 3600.0  # seconds between two attempts
MAX_PAUSE_EXTERNAL = 3600.0  # for external causes: an admin may remove them at any moment
FETCH_SECONDS = 720.0  # for both downloads; the queue ends a save after 900
MIN_SECOND_FETCH = 30.0  # seconds that must be left to begin the second one
DOWNLOAD_ERRORS = (download.NotAllowed, download.DownloadFailed, NotAVideo)


def archive(pk: int) -> None:
    """Save a finished video here, before its link expires."""
    # Stamp here too: in a queue full of short downloads, the task that stamps the heartbeat waits.
    Heartbeat.stamp(MEDIA_CLUSTER)
    generation = Generation.objects.select_related("token").worth_saving().filter(pk=pk).first()
    if not generation:
        return
    with logs.for_generation(generation.uuid):
        if was_stopped_by_file(generation.archive_worker) and not generation.record_worker_death():
            logger.error("generation %s: set aside, as its file stopped the worker again", generation.uuid)
            return
        with suspects_one_by_one(generation) as may_begin:
            if may_begin and generation.begin_saving(SAVING_LEASE, worker_name()):
                _attempt(generation)


def remote_video(generation: Generation) -> RemoteVideo:
    """Describe a generation's video at its provider."""
    if generation.token is None:
        raise ValueError(f"Generation {generation.uuid} has no token.")
    return RemoteVideo(
        uuid=generation.uuid,
        video_url=generation.video_url,
        thumbnail_url=generation.thumbnail_url,
        base_url=generation.token.base_url,
        is_local=generation.token.is_local,
    )


def _attempt(generation: Generation) -> None:
    """Save the video and record the result, or record why that failed."""
    try:
        with kept_lease(generation):
            saved = _save(generation)
    except SystemExit:
        # The queue's time limit. If it came while the file was read, the next worker counts it against the file.
        if not generation.archive_worker.endswith(READING):
            _record_failure(generation, Failure("too_slow", "", CAUSES["too_slow"].text))
        raise
    except Busy:
        logger.info("generation %s: its file waits for others to be read", generation.uuid)
        _retry_record(generation, lambda: generation.return_saving_lease(random.uniform(5, 15)))
    except Exception as error:
        failure = classify(error)
        if failure.code == "unexpected":
            logger.exception("generation %s: saving failed unexpectedly", generation.uuid)
        _record_failure(generation, failure)
    else:
        _record_saved(generation, saved)


def _record_saved(generation: Generation, saved: SavedVideo) -> None:
    names = ("video_file", "thumbnail_file", "poster_file", "poster_color", "sha256", "size_bytes", "duration")
    facts = {name: getattr(saved, name) for name in (*names, "frame_rate")}
    if not generation.video_width or not generation.video_height:
        facts |= {"video_width": saved.video_width, "video_height": saved.video_height}
    if not _retry_record(generation, lambda: generation.saved(**facts)) and not _is_recorded(generation, saved):
        saved.delete()


def _is_recorded(generation: Generation, saved: SavedVideo) -> bool:
    """Tell whether the row names these files: an UPDATE that seemed to fail may have been committed."""
    return Generation.objects.filter(pk=generation.pk, video_file=saved.video_file).exists()


def _record_failure(generation: Generation, failure: Failure) -> None:
    """Schedule the next attempt after a growing pause; after the last one give up, or keep the earlier copy."""
    # Counts attempts, not the video's age: a file that is lost after a year gets as many attempts as a new one.
    attempts = generation.archive_attempts
    max_pause = MAX_PAUSE_EXTERNAL if failure.is_external else MAX_PAUSE
    retry_in = min(max_pause, 5 * 2 ** min(max(0, attempts - 1), 13)) * random.uniform(0.8, 1.2)
    logger.warning("generation %s: not saved: %s", generation.uuid, failure.details)
    gives_up = attempts > MAX_ATTEMPTS and not failure.is_external
    if gives_up and _has_earlier_copy(generation):
        _retry_record(generation, lambda: generation.keep_incomplete(failure.details))
        return
    _retry_record(
        generation,
        lambda: generation.save_failed(
            failure.details, for_good=gives_up, retry_in=retry_in, code=failure.code, message=failure.message
        ),
    )


def _has_earlier_copy(generation: Generation) -> bool:
    """Tell whether the file of an earlier save is still there, unchanged: incomplete, but better than none."""
    if not generation.video_file:
        return False
    try:
        with storage.local_copy(generation.video_file) as (_, sha256):
            return sha256 == generation.sha256
    except FileNotFoundError:
        return False


def _retry_record(generation: Generation, step: Callable[[], bool]) -> bool:
    """Record the result of an attempt; retry for some seconds while the database is locked or unavailable."""
    for pause in (0.5, 1, 2, 4, 8):
        try:
            return step()
        except DatabaseError:
            logger.warning("generation %s: the outcome of its save is not recorded yet", generation.uuid, exc_info=True)
            time.sleep(pause)
            close_old_connections()
    return step()


def _save(generation: Generation) -> SavedVideo:
    """Fetch and store the video; if that fails and the provider gives another link, retry once with that."""
    deadline = time.monotonic() + FETCH_SECONDS

    def save() -> SavedVideo:
        seconds = min(saved_videos.DOWNLOAD_SECONDS, deadline - time.monotonic())
        return saved_videos.save_video(
            remote_video(generation), seconds=seconds, reading=lambda: marked_as_reading(generation)
        )

    try:
        return save()
    except DOWNLOAD_ERRORS as error:
        problem = _renew_link(generation, error)
        if problem or deadline - time.monotonic() < MIN_SECOND_FETCH:
            raise NotFetched(error, problem) from error
    try:
        return save()
    except DOWNLOAD_ERRORS as error:
        raise NotFetched(error, "A fresh link did not help.") from error


def _renew_link(generation: Generation, error: Exception) -> str:
    """Look up the video's current link; return "" if it is a new one, else a sentence that says why there is none."""
    if not generation.task_id or not generation.token:
        return "Its task id is not known, so the provider cannot be asked for a fresh link."
    try:
        result = look_up(generation.token, generation.task_id)
    except provider.ProviderError as refusal:
        logger.info("generation %s: no fresh link: %s", generation.uuid, refusal)
        return f"A fresh link could not be looked up ({refusal.code})."
    if result is None:
        bad_link = not isinstance(error, download.DownloadFailed) or error.status in GONE_STATUSES
        if bad_link and generation.revert_completion():
            logger.warning("generation %s: its callback was about a task nobody knows", generation.uuid)
        return "The provider no longer knows its task, so there is no fresh link."
    if not result.video_url:
        return "The provider no longer has a link to it."
    if not generation.relink(result):
        return "The provider gives no other link."
    return ""
