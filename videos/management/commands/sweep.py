import signal
import time
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import CommandError

from lumaweb.locked_command import LockedCommand
from videos.jobs.ticker import TICK, Ticker


class Command(LockedCommand):
    # `serve` runs the checks, which import every view.
    requires_system_checks = ()
    help = "The ticker: look up results, search for videos in doubt, repair what was left behind, stamp heartbeats."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="One round, then stop.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        if once:
            if failed := Ticker().run_once():
                raise CommandError(f"These steps failed; the log says why: {', '.join(failed)}.")
            return
        # Not an Event: a handler that runs while this thread is inside Event.wait may wait for its lock forever.
        stop_signals: list[int] = []

        def stop(number: int, frame: FrameType | None) -> None:
            stop_signals.append(number)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        ticker = Ticker()
        while not stop_signals:
            started = time.monotonic()
            ticker.tick()
            while not stop_signals and time.monotonic() - started < TICK:
                time.sleep(0.2)
        ticker.stop()
