from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError

from lumaweb.locked_command import LockedCommand
from lumaweb.ops import move_database


class Command(LockedCommand):
    help = (
        "Copy a stopped installation's SQLite database into the new, empty PostgreSQL database that DATABASE_URL "
        "names. What waits to be sent is held in both until an admin releases it; everybody signs in once more. All "
        "arrives, or nothing; the file stays where it was until you remove it."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument(
            "--from",
            dest="file",
            type=Path,
            default=settings.DATA_DIR / "lumaweb.sqlite3",
            help="The SQLite file; the one in the data directory, if not said.",
        )

    def handle(self, *args, file: Path, **options) -> None:
        try:
            with move_database.opened(file):
                found = move_database.cross(self.stdout.write)
        except move_database.CrossingRefused as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(
                f"Nothing arrived: {error} Run this again. Should you start the old installation instead, see whether "
                "what waits there is held, and release it under /admin/videos/generation/."
            ) from None
        held, doubted = found.pop("held"), found.pop("unconfirmed")
        self.stdout.write(f"{sum(found.values()):,} rows in {sum(map(bool, found.values()))} tables, counted in both.")
        if held or doubted:
            self.stdout.write(
                f"Held: {held} that waited to be sent. In doubt, as they were being sent: {doubted}. Start Lumaweb, "
                "look at a video, then release what is held under /admin/videos/generation/."
            )
        self.stdout.write(f"{file} was left as it is, but for what waited in it, which is held there too.")
