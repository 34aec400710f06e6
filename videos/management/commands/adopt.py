from django.core.management.base import CommandError

from lumaweb.locked_command import LockedCommand
from videos.jobs import adoption
from videos.models import Member


class Command(LockedCommand):
    help = "Take a video the provider already has into the history, once, by its task id."

    def add_arguments(self, parser) -> None:
        parser.add_argument("task_id")
        parser.add_argument("--member", metavar="NAME", help="Whose it becomes. Default: the first admin's.")

    def handle(self, *args, task_id: str, member: str | None, **options) -> None:
        members = Member.objects.filter(username=member) if member else Member.objects.filter(is_superuser=True)
        if not (owner := members.filter(is_active=True).order_by("pk").first()):
            raise CommandError(f"There is no active member {member!r}." if member else "There is no admin yet.")
        try:
            adopted = adoption.adopt(task_id, owner)
        except adoption.NotAdopted as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{adopted.message} {adopted.generation.get_absolute_url()}")
