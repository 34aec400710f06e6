"""Override django-q2's command to share memory between its processes."""

import gc
import logging
import time
from typing import Any

from django_q.management.commands.qcluster import Command as QClusterCommand

from lumaweb.locked_command import LockedCommand
from videos import tasks
from videos.jobs.broker_errors import BrokerUnavailable
from videos.jobs.queue import broker_info

logger = logging.getLogger(__name__)

WAIT = 1.0  # seconds between two attempts to reach the broker

# Imported before the fork, so that the workers share the modules.
__all__ = ["Command", "tasks"]


class Command(LockedCommand, QClusterCommand):
    # `serve` runs the checks; they import every view.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self._wait_for_broker()
        # A garbage collection would write to every object and copy the pages that the forked processes share.
        gc.collect()
        gc.freeze()
        super().handle(*args, **options)

    def _wait_for_broker(self) -> None:
        """Wait for the broker: a cluster that starts without it ends with a traceback."""
        is_waiting = False
        while True:
            try:
                broker_info()
                return
            except BrokerUnavailable as error:
                if not is_waiting:
                    logger.warning("%s The workers wait for it.", error)
                is_waiting = True
                time.sleep(WAIT)
