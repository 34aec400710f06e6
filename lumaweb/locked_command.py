"""A base class for commands that read or change an installation's data."""

from typing import Any

from django.core.management.base import BaseCommand

from lumaweb import data_lock


class LockedCommand(BaseCommand):
    """Hold the shared lock on the data directory. Raises ImproperlyConfigured if another installation holds it."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        with data_lock.shared():
            return super().execute(*args, **options)
