"""django-q2's command, with what is loaded shared between its processes."""

import gc

from django_q.management.commands.qcluster import Command as Cluster

from videos import tasks
from videos.management.holding import HoldingCommand

# Loaded here, once, and not in each of the workers that run them.
__all__ = ["Command", "tasks"]


class Command(HoldingCommand, Cluster):
    # `serve` has made the checks; they load every page and form, which a process without pages has no use for.
    requires_system_checks = ()

    def handle(self, *args, **options) -> None:
        # A cluster forks five times. A garbage collection would write to each object, and so copy all of them.
        gc.collect()
        gc.freeze()
        super().handle(*args, **options)
