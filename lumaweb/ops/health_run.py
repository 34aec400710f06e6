"""Run the doctor in the background for the Health page, once at a time for all admins, and store what it finds."""

import logging
import threading
import uuid
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connections, transaction

from videos.models import HealthReport
from videos.models.database_clock import database_now

from . import doctor

logger = logging.getLogger(__name__)

SECONDS = 60.0  # for all checks of a run
STALE_AFTER = timedelta(minutes=5)


class HealthRun:
    """A run of the doctor in a separate thread; a request waits for it only for a limited time."""

    def __init__(self, run: uuid.UUID) -> None:
        self._run_id = run
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        # The thread has a separate connection, which sees the run once it is committed.
        transaction.on_commit(self._thread.start)

    def wait(self, seconds: float) -> None:
        """Wait for the end of the run, at most this long."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        found: list[dict[str, Any]] = []
        checks = doctor.CHECKS
        names = {check.name: number for number, check in enumerate(checks)}
        shown = -1
        try:
            for name, finding in doctor.run_checks(checks=checks, seconds=SECONDS):
                found.append({"check": name} | asdict(finding))
                if names[name] > shown:
                    shown = names[name]
                    HealthReport.objects.progress(self._run_id, shown)
            HealthReport.objects.finish(self._run_id, found)
        except DatabaseError as error:
            # There is no place for the findings, and no page that could show them.
            logger.warning("the findings of the doctor were not stored: %s", type(error).__name__)
        finally:
            connections.close_all()


def start() -> HealthRun | None:
    """Start a run; return None if one is going on, here or on another machine."""
    run = HealthReport.objects.begin(len(doctor.CHECKS))
    return HealthRun(run) if run else None


def is_stale(report: HealthReport) -> bool:
    """Tell whether there is no report of the last minutes."""
    return report.finished_at is None or database_now() - report.finished_at > STALE_AFTER
