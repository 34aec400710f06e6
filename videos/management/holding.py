"""Commands that work on the data of an installation."""

from django.core.management.base import BaseCommand

from lumaweb import data_lock


class HoldingCommand(BaseCommand):
    """A command that holds the data directory with the installation it belongs to; another one's is refused."""

    def execute(self, *args, **options) -> str | None:
        with data_lock.shared():
            return super().execute(*args, **options)
