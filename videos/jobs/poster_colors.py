"""Fill in the dominant color of posters that an earlier version saved, a few at a time."""

import logging
import time

from ..media.decoding import client as decoding
from ..media.decoding.errors import Busy, DecoderFailed
from ..models import Generation
from .queue import MEDIA_CLUSTER, enqueue_poster_colors, queue_sizes

logger = logging.getLogger(__name__)

MAX_EXAMINED = 500  # rows in one round
MAX_READ = 20  # posters in one call
# Seconds until all rows are examined again, for posters that could not be read.
EXAMINE_AGAIN_AFTER = 24 * 3600.0


class PosterColors:
    """Walk through all saved videos, newest first, and enqueue the posters whose color is not known.

    The walk starts again with each ticker and once a day. It needs no index. Newly saved videos have their
    color from the start.
    """

    def __init__(self) -> None:
        self._before: int | None = None
        self._rests_until = 0.0

    def run(self) -> None:
        """Enqueue one call with the next posters, unless workers have not begun the previous ones."""
        if time.monotonic() < self._rests_until:
            return
        rows = list(Generation.objects.posters_before(self._before)[:MAX_EXAMINED])
        unknown = [pk for pk, color in rows if not color][:MAX_READ]
        if unknown:
            if queue_sizes()[MEDIA_CLUSTER]:
                return
            enqueue_poster_colors(unknown)
        if len(unknown) == MAX_READ:
            self._before = unknown[-1]
        elif len(rows) == MAX_EXAMINED:
            self._before = rows[-1][0]
        else:
            self._before, self._rests_until = None, time.monotonic() + EXAMINE_AGAIN_AFTER


def read_poster_colors(*pks: int) -> None:
    """Read and store the color of these posters; leave the rest for the next walk while all decoders are busy."""
    for generation in Generation.objects.filter(pk__in=pks, poster_color="").exclude(poster_file=""):
        name = generation.poster_file.name
        try:
            with generation.poster_file.open("rb") as file:
                color = decoding.read_color(file)
        except Busy:
            # Each further poster would keep this worker waiting for a decoder too.
            return
        except (OSError, DecoderFailed) as error:
            logger.info("generation %s: the color of its poster is not read: %s", generation.uuid, error)
            continue
        # Leaves changed_at alone: open pages need no reload for a color.
        Generation.objects.filter(pk=generation.pk, poster_file=name).update(poster_color=color)
