import os
import signal
import socket
import time

from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections

from videos.jobs import polling, queue, reconcile, sweep
from videos.models import Lease

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
        # The supervisor's number: a ticker it starts again goes on at once, without waiting for the dead one's lease.
        holder = f"{socket.gethostname()}:{os.getppid()}"
        swept = -SWEEP_EVERY
        while not told:
            started = time.monotonic()
            try:
                close_old_connections()
                if Lease.objects.take("ticker", holder, LEASE):
                    if started - swept >= SWEEP_EVERY:
                        swept = started
                        sweep.sweep()
                    else:
                        sweep.wake()
                    polling.ask()
                    reconcile.reconcile()
                    if swept == started:
                        queue.beat_later()
            except DatabaseError as error:
                # The database is away or locked: the next tick tries again.
                self.stderr.write(f"ticker: {error}")
            while not told and time.monotonic() - started < TICK:
                time.sleep(0.2)
        Lease.objects.give_back("ticker", holder)
