from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from lumaweb.locked_command import LockedCommand
from lumaweb.ops import move_database


class Command(LockedCommand):
    help = (
        "Copy a stopped installation's SQLite database into the new, empty PostgreSQL database that DATABASE_URL "
        "names: everything, or nothing. Queued videos are held in both databases until an admin releases them; "
        "members sign in again. The file stays in place until you remove it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from",
            dest="file",
            type=Path,
            default=settings.DATA_DIR / "lumaweb.sqlite3",
            help="The SQLite file; by default the one in the data directory.",
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            with move_database.source_database(file):
                copied = move_database.copy_database(self.stdout.write)
        except move_database.MoveRefused as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(
                f"Nothing was copied: {error} Run this again. If you start the old installation instead, check whether "
                "its queued videos are held, and release them on the Provider page."
            ) from None
        tables = [count for count in copied.rows.values() if count]
        self.stdout.write(f"Copied {sum(tables):,} rows in {len(tables)} tables; the counts agree in both databases.")
        if copied.held or copied.unconfirmed:
            self.stdout.write(
                f"Held: {copied.held} queued. Unconfirmed, because they were being sent: {copied.unconfirmed}. Start "
                "Lumaweb, look at a video, then release the held videos on the Provider page."
            )
        self.stdout.write(f"{file} was not changed, except that its queued videos are held too.")
