from django.core.management.base import BaseCommand

from videos.models import policy


class Command(BaseCommand):
    help = "Print what follows from each outcome of a request, as docs/admin/outcomes.md has it."

    def handle(self, *args, **options) -> None:
        self.stdout.write(policy.as_markdown(), ending="")
