"""The ticker: poll the provider and repair what was left behind, every few seconds, on one machine at a time."""

import logging
import os
import socket
import time
from functools import partial

from django.conf import settings
from django.db import Error, close_old_connections
from django.utils.module_loading import import_string

from lumaweb.storage_errors import storage_problem

from ..models import Lease
from . import account_reading, polling, queue, reconcile, sweep
from .age_tracker import AgeTracker
from .local_drain import LocalDrain
from .poster_colors import PosterColors
from .search_texts import SearchTexts
from .ticker_steps import AddedStep, Step, StepRunner

logger = logging.getLogger(__name__)

TICK = 5.0  # seconds between two rounds
SWEEP_EVERY = 15.0  # seconds
LEASE_NAME = "ticker"
LEASE = 20.0  # seconds that the other tickers wait after one has died
# Seconds after which the lease is renewed before the next step. No step looks anything up for longer than the rest.
RENEW_EVERY = 4.0


class Ticker:
    """Runs the steps that are due while it holds the lease."""

    def __init__(self) -> None:
        # The supervisor's pid: a restarted ticker continues at once and does not wait for its predecessor's lease.
        self._holder = f"{socket.gethostname()}:{os.getppid()}"
        self._ages: AgeTracker | None = AgeTracker()
        self._runner = StepRunner()
        self._drain = LocalDrain()
        self._poster_colors = PosterColors()
        self._search_texts = SearchTexts()
        self._swept = -SWEEP_EVERY
        self._renewed = -LEASE
        # The product imports nothing of the installation, so the settings name what it adds.
        self._added: dict[str, AddedStep] = {
            name: import_string(path)() for name, path in settings.TICKER_STEPS.items()
        }

    def tick(self) -> None:
        """Run each step that is due, polling first; a step that fails does not stop the others."""
        try:
            close_old_connections()
            if not self._take_lease():
                return
            sweep_is_due = time.monotonic() - self._swept >= SWEEP_EVERY
            if sweep_is_due:
                self._swept = time.monotonic()
            for step in self._steps(sweep_is_due):
                if not self._keep_lease():
                    logger.warning("another ticker has taken over before step %s", step.name)
                    return
                self._runner.run(step)
        except Error as error:
            # The next tick tries again.
            logger.warning("the ticker waits for the database: %s", storage_problem(error) or error)

    def run_once(self) -> list[str]:
        """Run every step once, without the lease; return the names of those that failed."""
        # A new tracker has seen nothing and would find nothing old enough, so the clock decides.
        self._ages = None
        return [step.name for step in self._steps(sweep_is_due=True) if not self._runner.run(step)]

    def stop(self) -> None:
        """Give back the lease, so that another ticker need not wait until it expires, and end what this one runs."""
        # First, as the supervisor waits for seconds only: the answers of paid requests matter more than a backup.
        self._drain.stop()
        try:
            Lease.objects.release(LEASE_NAME, self._holder)
        except Error as error:
            logger.warning("the ticker's lease was not given back and will expire: %s", storage_problem(error) or error)
        for step in self._added.values():
            step.stop()

    def _steps(self, sweep_is_due: bool) -> list[Step]:
        polls, searches = Step("look-ups", polling.poll), Step("searches", reconcile.reconcile)
        # Last: nothing depends on it.
        account = Step("balance", account_reading.read_account)
        if not sweep_is_due:
            return [polls, Step("wake-ups", partial(sweep.wake, self._drain.start)), searches, account]
        # Before the other repairs: workers without a heartbeat are considered stuck.
        heartbeats = Step("signs of life", partial(queue.enqueue_heartbeats, robust=False))
        last = [Step("poster colors", self._poster_colors.run), Step("search texts", self._search_texts.run)]
        last += [Step(name, step.run) for name, step in self._added.items()]
        return [polls, heartbeats, *sweep.steps(self._ages, self._drain.start), searches, account, *last]

    def _take_lease(self) -> bool:
        if taken := Lease.objects.acquire(LEASE_NAME, self._holder, LEASE):
            self._renewed = time.monotonic()
        return taken

    def _keep_lease(self) -> bool:
        """Renew the lease if the previous steps were slow; return False if another ticker has taken it."""
        return time.monotonic() - self._renewed < RENEW_EVERY or self._take_lease()
