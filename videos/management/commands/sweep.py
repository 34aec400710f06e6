import logging
import os
import signal
import socket
import time
from collections.abc import Callable

from django.core.management.base import BaseCommand
from django.db import Error, close_old_connections

from lumaweb.storage_errors import problem_of
from videos.jobs import polling, queue, reconcile, sweep
from videos.jobs.watch import Watch
from videos.models import Lease

logger = logging.getLogger(__name__)

TICK = 5.0  # seconds: how often results are asked for
SWEEP_EVERY = 15.0  # seconds: how often the rest is mended
LEASE = 20.0  # seconds: how long a dead ticker keeps the others waiting


class Command(BaseCommand):
    help = "The ticker: look up results, search for videos in doubt, repair what was left behind, stamp heartbeats."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--once", action="store_true", help="One round, then stop.")

    def handle(self, *args, **options) -> None:
        if options["once"]:
            sweep.sweep()
            polling.ask()
            reconcile.reconcile()
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
        self.watch = Watch()
        self._swept = -SWEEP_EVERY

    def tick(self) -> None:
        """Take each step that is due, results first; one that fails keeps no other from being taken."""
        try:
            close_old_connections()
            if not Lease.objects.take("ticker", self.holder, LEASE):
                return
            due = time.monotonic() - self._swept >= SWEEP_EVERY
            if due:
                self._swept = time.monotonic()
            self._step(polling.ask)
            if due:
                # The workers' heartbeat above all: without it they are taken for stuck.
                self._step(queue.beat_later)
                self._step(lambda: sweep.sweep(self.watch))
            else:
                self._step(sweep.wake)
            self._step(reconcile.reconcile)
        except Error as error:
            # The next tick tries again.
            logger.warning("the ticker waits for the database: %s", problem_of(error) or error)

    def _step(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:
            if problem_of(error):
                raise
            logger.exception("a step of the ticker failed; the others go on")

    def stop(self) -> None:
        try:
            Lease.objects.give_back("ticker", self.holder)
        except Error as error:
            logger.warning("the ticker's lease ends by itself: %s", problem_of(error) or error)
