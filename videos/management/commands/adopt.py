from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from lumaweb.locked_command import LockedCommand
from videos.jobs.adoption import NotAdopted, adopt
from videos.models import Member


class Command(LockedCommand):
    help = "Add a video that the provider already has to the gallery, once, by its task id."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("task_id")
        parser.add_argument("--member", metavar="NAME", help="The member who gets the video. Default: the first admin.")

    def handle(self, *args: Any, task_id: str, member: str | None, **options: Any) -> None:
        members = Member.objects.filter(username=member) if member else Member.objects.filter(is_superuser=True)
        if not (owner := members.filter(is_active=True).order_by("pk").first()):
            raise CommandError(f"There is no active member {member!r}." if member else "There is no admin yet.")
        try:
            adoption = adopt(task_id, owner)
        except NotAdopted as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{adoption.message} {adoption.generation.get_absolute_url()}")
