from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from videos.models import AuditEntry, Member
from videos.sign_in_links import Purpose, path_for


class Command(BaseCommand):
    help = (
        "Print a link that signs an admin in, once, within 15 minutes. For an installation that nobody can sign in to: "
        "the identity provider is away, or a password is lost."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", help="An active admin; not needed if there is only one.")

    def handle(self, *args: Any, username: str | None = None, **options: Any) -> None:
        admins = Member.objects.filter(is_superuser=True, is_active=True).order_by("username")
        named = [admin for admin in admins if username in (None, admin.username)]
        if len(named) != 1:
            names = ", ".join(admin.username for admin in admins) or "none"
            wanted = f"{username!r} is not an active admin" if username else "Name one of the admins"
            raise CommandError(f"{wanted}. Active admins: {names}.")
        AuditEntry.objects.record(None, f"Made a one-time sign-in link for {named[0].username}.", about=named[0])
        self.stdout.write(f"{settings.SITE_URL or settings.LOCAL_URL}{path_for(named[0], Purpose.SIGN_IN)}")
