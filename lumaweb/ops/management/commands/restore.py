from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from lumaweb.locked_command import LockedCommand
from lumaweb.ops import backup
from lumaweb.signals import exit_on_sigterm


class Command(LockedCommand):
    help = (
        "Restore an archive that `backup` wrote into an installation that is stopped and empty: no members, and no "
        "media unless the archive has none. Queued videos are held until an admin releases them. There is no option to "
        "overwrite anything."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="The archive (….tar).")
        parser.add_argument(
            "--media",
            type=Path,
            metavar="FOLDER",
            help="The media of a scheduled backup, if they are not in the folder media beside the archive.",
        )
        parser.add_argument(
            "--without-media",
            action="store_true",
            help="Restore the database alone, for media that are in the storage or are restored by other means.",
        )

    def handle(self, *args: Any, path: Path, media: Path | None, without_media: bool, **options: Any) -> None:
        try:
            with exit_on_sigterm():
                report = backup.restore(path, store=media, without_media=without_media)
        except backup.RestoreRefused as error:
            raise CommandError(str(error)) from None
        except (backup.BackupFailed, OSError) as error:
            raise CommandError(
                f"The backup could not be restored: {error} No media and no keys were left in place: fix this and "
                "run it again."
            ) from None
        counts = report.counts
        self.stdout.write(
            f"Restored. Generations: {counts['generations']}, members: {counts['members']}, files: {counts['files']}."
        )
        self.stdout.write(
            f"Queued, now held: {counts['held']}. They may have been sent, and charged, since the backup: an admin "
            "releases them on the Provider page. Being sent at that time, now unconfirmed: "
            f"{counts['unconfirmed']}."
        )
        self.stdout.write(
            "All members have to sign in again. Revoked, as some may have been revoked since the backup: "
            f"{counts['shares']} share links, {counts['invitations']} invitations."
        )
        if not report.with_media:
            self.stdout.write(
                "No videos were restored: those in the storage are shown again. Find missing files with "
                "manage.py verify_media."
            )
        self.stdout.write("The keys were in the archive." if report.with_keys else "No keys were in the archive.")
        for remark in report.remarks:
            self.stderr.write(remark)
