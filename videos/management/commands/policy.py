from typing import Any

from django.core.management.base import BaseCommand

from videos.models import policy


class Command(BaseCommand):
    help = "Print what follows from each outcome of a request, as docs/admin/outcomes.md has it."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(policy.as_markdown(), ending="")
