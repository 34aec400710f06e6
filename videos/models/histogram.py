"""How often something happens and how long it takes, of all processes on all machines.

Each process counts for itself and adds what it has to the database every few seconds, so that whoever answers a scrape
knows the whole: docs/decisions/metrics.md. Nothing is counted unless somebody may ask (LUMAWEB_METRICS_TOKEN).
"""

import logging
import os
import threading
from bisect import bisect_left
from itertools import accumulate
from multiprocessing.util import Finalize

from django.conf import settings
from django.db import DatabaseError, connections, models, transaction

logger = logging.getLogger(__name__)

# Seconds; the last stretch has no end.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Histogram(models.Model):
    """What was counted of one thing: `counts` has a number for each stretch of BOUNDS and one for what is beyond."""

    name = models.CharField(max_length=20)
    label = models.CharField(max_length=50, help_text="Which kind of it, its parts set apart by slashes.")
    counts = models.JSONField()
    seconds = models.FloatField(default=0, help_text="How long all of it took together.")

    class Meta:
        db_table = "videos_meter"
        constraints = [models.UniqueConstraint(fields=["name", "label"], name="one_meter_for_a_label")]
        ordering = ["name", "label"]

    def __str__(self) -> str:
        return f"{self.name} {self.label}: {sum(self.counts)}"

    def buckets(self) -> list[tuple[str, int]]:
        """As Prometheus has them: each with all that are below its bound."""
        return list(zip([*map(str, BOUNDS), "+Inf"], accumulate(self.counts), strict=True))

    def add(self, counts: list[int], seconds: float) -> None:
        self.counts = [ours + more for ours, more in zip(self.counts, counts, strict=True)]
        self.seconds += seconds


class Counted:
    """What this process has counted and the database does not have yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: dict[tuple[str, str], Histogram] = {}
        self._helped = 0  # the process that has its helper: a fork does not inherit the thread

    def observe(self, name: str, label: str, seconds: float) -> None:
        if not settings.METRICS_TOKEN:
            return
        counts = [0] * (len(BOUNDS) + 1)
        counts[bisect_left(BOUNDS, seconds)] = 1
        self._add([Histogram(name=name, label=label, counts=counts, seconds=seconds)])
        if settings.METRICS_EVERY and self._helped != os.getpid():
            self._helped = os.getpid()
            threading.Thread(target=self._keep_writing, name="histograms", daemon=True).start()
            # A worker of the queue ends after some hundred tasks.
            Finalize(None, self._write_in_peace, exitpriority=10)

    def _add(self, histograms: list[Histogram]) -> None:
        with self._lock:
            for histogram in histograms:
                known = self._new.setdefault((histogram.name, histogram.label), histogram)
                if known is not histogram:
                    known.add(histogram.counts, histogram.seconds)

    def write(self) -> None:
        """Add what is new to the database's; kept for the next time where that fails."""
        with self._lock:
            new, self._new = self._new, {}
        if not new:
            return
        try:
            with transaction.atomic():
                # In one order, so that no two processes wait for each other.
                for (name, label), histogram in sorted(new.items()):
                    nothing = {"counts": [0] * len(histogram.counts)}
                    row, _ = Histogram.objects.select_for_update().get_or_create(
                        name=name, label=label, defaults=nothing
                    )
                    row.add(histogram.counts, histogram.seconds)
                    row.save(update_fields=["counts", "seconds"])
        except DatabaseError:
            self._add(list(new.values()))
            raise

    def _keep_writing(self) -> None:
        wait = threading.Event()
        while not wait.wait(settings.METRICS_EVERY):
            self._write_in_peace()

    def _write_in_peace(self) -> None:
        try:
            self.write()
        except DatabaseError as error:
            # The database is away, which others say loudly enough.
            logger.info("what was measured is written later: %s", error.__class__.__name__)
        finally:
            connections.close_all()


_counted = Counted()
observe, write = _counted.observe, _counted.write
