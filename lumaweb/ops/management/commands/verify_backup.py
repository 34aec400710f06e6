from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from lumaweb.locked_command import LockedCommand
from lumaweb.ops.backup import scheduled
from lumaweb.ops.backup.folder import BackupFolder
from lumaweb.ops.backup.verifying import verify
from lumaweb.signals import exit_on_sigterm
from videos.models import Backup


class Command(LockedCommand):
    help = (
        "Read a whole backup: compare every file with its SHA-256, open the database, and check that this version can "
        "restore it. Exit status 1 if anything is wrong. Damaged media in LUMAWEB_BACKUP_DIR are renamed, so that the "
        "next backup stores them again; nothing else is changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path", type=Path, nargs="?", help="The archive (….tar). Default: the latest in LUMAWEB_BACKUP_DIR."
        )
        parser.add_argument(
            "--media",
            type=Path,
            metavar="FOLDER",
            help="The media of a scheduled backup, if they are not in the folder media beside the archive.",
        )
        parser.add_argument(
            "--requested", action="store_true", help="The backups for which an admin has requested it in the settings."
        )

    def handle(self, *args: Any, path: Path | None, media: Path | None, requested: bool, **options: Any) -> None:
        with exit_on_sigterm():
            if requested:
                if settings.BACKUP_DIR is not None:
                    scheduled.verify_requested(settings.BACKUP_DIR)
                return
            self._verify((path or _latest()).absolute(), media)

    def _verify(self, path: Path, media: Path | None) -> None:
        known = None if media else Backup.objects.kept().filter(path=str(path)).first()
        try:
            found = scheduled.record_verification(known) if known else verify(path, store=media)
        except OSError as error:
            raise CommandError(f"The check did not finish, so it shows nothing: {error}") from None
        for problem in found.problems:
            self.stderr.write(problem)
        if found.problems:
            raise CommandError(f"This backup cannot be trusted: {path}")
        self.stdout.write(f"Good: {path}. Files: {found.files} ({filesizeformat(found.bytes)}).")


def _latest() -> Path:
    if settings.BACKUP_DIR is None:
        raise CommandError("Name an archive, or set LUMAWEB_BACKUP_DIR.")
    archives = BackupFolder(settings.BACKUP_DIR).archives()
    if not archives:
        raise CommandError(f"There is no backup in {settings.BACKUP_DIR} yet.")
    return archives[-1]
