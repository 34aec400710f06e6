"""Override django-q2's command to share memory between its processes."""

import gc
from typing import Any

from django_q.management.commands.qcluster import Command as QClusterCommand

from lumaweb.locked_command import LockedCommand
from videos import tasks

# Imported before the fork, so that the workers share the modules.
__all__ = ["Command", "tasks"]


class Command(LockedCommand, QClusterCommand):
    # `serve` runs the checks; they import every view.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        # A garbage collection would write to every object and copy the pages that the forked processes share.
        gc.collect()
        gc.freeze()
        super().handle(*args, **options)
