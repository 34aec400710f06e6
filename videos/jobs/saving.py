"""Save finished videos: fetch the file, verify it, put it into our storage, and renew links that stopped working."""

import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection

from lumaweb import logs

from .. import download, media, provider
from ..models import Generation, Heartbeat
from .task_lookup import look_up

logger = logging.getLogger(__name__)

CLUSTER = "media"  # the queue's workers that save
SAVING_LEASE = 60.0  # seconds after which another worker may take over a download that fell silent
SAVE_TRIES = 32  # with the waits between them about five days
LINK_GONE = (400, 401, 403, 404, 410)  # how an expired link answers, by vendor


def archive(pk: int) -> None:
    """Keep a finished video here, before its link expires."""
    # Many short downloads leave no room for the task that stamps.
    Heartbeat.stamp(CLUSTER)
    generation = Generation.objects.select_related("token").filter(pk=pk).first()
    if not generation or not generation.begin_saving(SAVING_LEASE):
        return
    with logs.about(generation.uuid):
        _archive(generation)


@contextmanager
def _alive(generation: Generation) -> Iterator[None]:
    """Renew the lease of a saving, and stamp that this machine saves, as long as it takes: the download, the look at
    the file, and the way into a bucket, which may be slow or silent. What hangs is ended by the queue's own limit.
    """
    done = threading.Event()

    def renew() -> None:
        while not done.wait(SAVING_LEASE / 4):
            try:
                generation.still_saving(SAVING_LEASE)
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


def _archive(generation: Generation) -> None:
    try:
        with _alive(generation):
            saved = _save(generation)
    except Exception as error:
        if not isinstance(error, (download.NotAllowed, download.DownloadFailed, media.NotAVideo, OSError)):
            # Ours to mend; the video has its patience all the same.
            logger.exception("generation %s: saving failed unexpectedly", generation.uuid)
        # Counted in tries, not by the video's age: a file lost after a year, or restored, has the same patience.
        tries = generation.archive_attempts
        retry_in = min(6 * 3600, 5 * 2 ** min(tries, 13)) * random.uniform(0.8, 1.2)
        logger.warning("generation %s: not saved: %s", generation.uuid, error)
        # A host that is not allowed may be allowed tomorrow, and our own storage be back: no fault of the video's.
        for_good = tries >= SAVE_TRIES and not isinstance(error, (download.NotAllowed, OSError))
        generation.save_failed(str(error), for_good=for_good, retry_in=retry_in)
        return
    facts = {
        name: getattr(saved, name)
        for name in ("video_file", "thumbnail_file", "poster_file", "sha256", "size_bytes", "duration", "frame_rate")
    }
    if not generation.video_width or not generation.video_height:
        facts |= {"video_width": saved.video_width, "video_height": saved.video_height}
    if not generation.saved(**facts):
        media.forget(saved)


def _save(generation: Generation) -> media.Saved:
    """Fetch the video; where its link has expired and the provider gives a fresh one, once more by that."""
    try:
        return media.save_video(generation)
    except download.DownloadFailed as error:
        if error.status not in LINK_GONE or not _relink(generation):
            raise
    return media.save_video(generation)


def _relink(generation: Generation) -> bool:
    """Ask the provider for the video's link of today; False where that brings no other one."""
    if not generation.task_id:
        return False
    try:
        result = look_up(generation.token, generation.task_id)
    except provider.ProviderError as error:
        logger.info("generation %s: no fresh link: %s", generation.uuid, error)
        return False
    if result is None and generation.disown():
        logger.warning("generation %s: its callback was about a task nobody knows", generation.uuid)
    return bool(result and generation.relink(result))
