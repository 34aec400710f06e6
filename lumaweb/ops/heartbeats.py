"""Heartbeats of the queue's clusters, for the supervisor."""

import time
from datetime import datetime, timedelta

from django.db import connections

from lumaweb.sqlite.base import lock_wait_limit
from videos.jobs import queue
from videos.models import Heartbeat
from videos.models.database_clock import database_now

CLUSTER_NAMES = {queue.SUBMIT_CLUSTER: "worker", queue.MEDIA_CLUSTER: "media worker"}
REQUEST_INTERVAL = 15.0  # seconds between two requests for a heartbeat
LATE_AFTER = timedelta(seconds=20)
EXTRA_REQUESTS = 4
WATCHDOG = "watchdog"  # name of the stamp that tests whether the database accepts writes
LOCK_WAIT = 2.0  # seconds for the database's write lock


class HeartbeatProbe:
    """Read a cluster's heartbeat on this machine and request the next one through the queue.

    The ticker requests heartbeats too, but it may run on another machine or not at all, and a cluster that gets no
    request must not be killed as stuck.
    """

    def __init__(self) -> None:
        self._requested_at = -REQUEST_INTERVAL
        self._changed: dict[str, tuple[datetime | None, float]] = {}

    def __call__(self, cluster: str) -> datetime | None:
        """Return the time of the last heartbeat.

        Raises django.db.Error while the database accepts no writes, and BrokerUnavailable while Redis does not work: a
        worker that gets no request for a heartbeat is not stuck.
        """
        try:
            with lock_wait_limit(LOCK_WAIT):
                return self._read(cluster)
        finally:
            connections.close_all()

    def _read(self, cluster: str) -> datetime | None:
        at = Heartbeat.objects.on_this_machine(cluster).values_list("at", flat=True).first()
        known, since = self._changed.get(cluster, (None, 0.0))
        if at != known or not since:
            self._changed[cluster] = at, time.monotonic()
        elif time.monotonic() - since > LATE_AFTER.total_seconds():
            # A worker that waits for a locked or full database, perhaps with unsaved results, is not stuck: raise here.
            Heartbeat.stamp(WATCHDOG)
        if time.monotonic() - self._requested_at >= REQUEST_INTERVAL:
            queue.enqueue_heartbeats(robust=False)
            self._requested_at = time.monotonic()
        recently = database_now() - LATE_AFTER
        if (not at or at < recently) and Heartbeat.objects.of_cluster(cluster).filter(at__gt=recently).exists():
            # Machines share the queue: by chance, another one has executed the requests of this one.
            queue.enqueue_heartbeats(EXTRA_REQUESTS, robust=False)
        return at
