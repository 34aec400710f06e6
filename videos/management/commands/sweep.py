import logging
import os
import signal
import socket
import time
from functools import partial

from django.core.management.base import CommandError
from django.db import Error, close_old_connections

from lumaweb.locked_command import LockedCommand
from lumaweb.storage_errors import storage_problem
from videos.jobs import polling, queue, reconcile, sweep
from videos.jobs.age_tracker import AgeTracker
from videos.jobs.ticker_steps import Step, StepRunner
from videos.models import Lease

logger = logging.getLogger(__name__)

TICK = 5.0  # seconds: how often results are asked for
SWEEP_EVERY = 15.0  # seconds: how often the rest is mended
LEASE = 20.0  # seconds: how long a dead ticker keeps the others waiting
# Seconds after which the lease is renewed before the next step. No step looks anything up for longer than the rest.
RENEW_EVERY = 4.0


class Command(LockedCommand):
    # `serve` runs the checks; they import every view.
    requires_system_checks = ()
    help = "The ticker: look up results, search for videos in doubt, repair what was left behind, stamp heartbeats."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--once", action="store_true", help="One round, then stop.")

    def handle(self, *args, **options) -> None:
        if options["once"]:
            if failed := Ticker().run_once():
                raise CommandError(f"These steps failed; the log says why: {', '.join(failed)}.")
            return
        # A list, not an Event: a handler that runs while this thread is inside Event.wait may never get its lock.
        told: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: told.append(number))
        ticker = Ticker()
        while not told:
            started = time.monotonic()
            ticker.tick()
            while not told and time.monotonic() - started < TICK:
                time.sleep(0.2)
        ticker.stop()


class Ticker:
    """What is done every few seconds by one machine at a time."""

    def __init__(self) -> None:
        # The supervisor's number: a ticker it starts again goes on at once, without waiting for the dead one's lease.
        self.holder = f"{socket.gethostname()}:{os.getppid()}"
        self.watch: AgeTracker | None = AgeTracker()
        self.runner = StepRunner()
        self._swept = -SWEEP_EVERY
        self._renewed = -LEASE

    def tick(self) -> None:
        """Run each step that is due, results first; one that fails stops no other."""
        try:
            close_old_connections()
            if not self._take_lease():
                return
            due = time.monotonic() - self._swept >= SWEEP_EVERY
            if due:
                self._swept = time.monotonic()
            for step in self._steps(due):
                if not self._keep_lease():
                    logger.warning("another ticker has taken over before step %s", step.name)
                    return
                self.runner.run(step)
        except Error as error:
            # The next tick tries again.
            logger.warning("the ticker waits for the database: %s", storage_problem(error) or error)

    def run_once(self) -> list[str]:
        """Run every step once, without the lease; return the names of those that failed."""
        # A watch that has seen nothing yet would take nothing for lost: the clock decides.
        self.watch = None
        return [step.name for step in self._steps(due=True) if not self.runner.run(step)]

    def _steps(self, due: bool) -> list[Step]:
        """List the steps of one round: results first, then the sweep where it is due."""
        results, searches = Step("look-ups", polling.poll), Step("searches", reconcile.reconcile)
        if not due:
            return [results, Step("wake-ups", sweep.wake), searches]
        # The workers' heartbeat above all: without it they are taken for stuck.
        beat = Step("signs of life", partial(queue.enqueue_heartbeats, robust=False))
        return [results, beat, *sweep.steps(self.watch), searches]

    def _take_lease(self) -> bool:
        if taken := Lease.objects.take("ticker", self.holder, LEASE):
            self._renewed = time.monotonic()
        return taken

    def _keep_lease(self) -> bool:
        """Renew the lease where the steps before took long; False where another ticker has it by now."""
        return time.monotonic() - self._renewed < RENEW_EVERY or self._take_lease()

    def stop(self) -> None:
        try:
            Lease.objects.give_back("ticker", self.holder)
        except Error as error:
            logger.warning("the ticker's lease ends by itself: %s", storage_problem(error) or error)
