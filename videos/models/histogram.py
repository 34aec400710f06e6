"""Histograms of durations, summed over all processes on all machines.

Each process adds its own counts to the database every few seconds, so that any process can answer a scrape:
docs/decisions/metrics.md. Nothing is counted unless metrics are enabled (LUMAWEB_METRICS_TOKEN).
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

# Upper bounds of the buckets in seconds; a last bucket has no bound.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Histogram(models.Model):
    """The durations of one kind of event; `counts` has one number for each of BOUNDS, and one for longer ones."""

    name = models.CharField(max_length=20)
    label = models.CharField(max_length=50, help_text="The label values, separated by slashes.")
    counts = models.JSONField()
    seconds = models.FloatField(default=0, help_text="The sum of all durations.")

    class Meta:
        db_table = "videos_meter"
        constraints = [models.UniqueConstraint(fields=["name", "label"], name="one_meter_for_a_label")]
        ordering = ["name", "label"]

    def __str__(self) -> str:
        return f"{self.name} {self.label}: {sum(self.counts)}"

    @classmethod
    def empty(cls, name: str, label: str) -> "Histogram":
        return cls(name=name, label=label, counts=[0] * (len(BOUNDS) + 1))

    def buckets(self) -> list[tuple[str, int]]:
        """Return Prometheus' cumulative buckets."""
        return list(zip([*map(str, BOUNDS), "+Inf"], accumulate(self.counts), strict=True))

    def add(self, counts: list[int], seconds: float) -> None:
        self.counts = [ours + more for ours, more in zip(self.counts, counts, strict=True)]
        self.seconds += seconds


class Counted:
    """The counts of this process that are not in the database yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: dict[tuple[str, str], Histogram] = {}
        self._helped = 0  # the process with a writing thread, which a fork does not inherit

    def observe(self, name: str, label: str, seconds: float) -> None:
        if not settings.METRICS_TOKEN:
            return
        counts = [0] * (len(BOUNDS) + 1)
        counts[bisect_left(BOUNDS, seconds)] = 1
        self._add([Histogram(name=name, label=label, counts=counts, seconds=seconds)])
        if settings.METRICS_EVERY and self._helped != os.getpid():
            self._helped = os.getpid()
            threading.Thread(target=self._keep_writing, name="histograms", daemon=True).start()
            # A worker of the queue exits after some hundred tasks.
            Finalize(None, self._write_in_peace, exitpriority=10)

    def _add(self, histograms: list[Histogram]) -> None:
        with self._lock:
            for histogram in histograms:
                known = self._new.setdefault((histogram.name, histogram.label), histogram)
                if known is not histogram:
                    known.add(histogram.counts, histogram.seconds)

    def write(self) -> None:
        """Add the new counts to the database; keep them for the next time if that fails."""
        with self._lock:
            new, self._new = self._new, {}
        if not new:
            return
        try:
            with transaction.atomic():
                # Always in the same order, so that two processes cannot deadlock.
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
            # Others report a database that is unavailable.
            logger.info("histograms are written later: %s", error.__class__.__name__)
        finally:
            connections.close_all()


_counted = Counted()
observe, write = _counted.observe, _counted.write
