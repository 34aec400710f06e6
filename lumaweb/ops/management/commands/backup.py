import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from lumaweb.locked_command import LockedCommand
from lumaweb.ops import backup
from lumaweb.ops.backup import scheduled
from lumaweb.permissions import PRIVATE_FOLDER
from lumaweb.signals import exit_on_sigterm


class Command(LockedCommand):
    help = "Write one archive of the database and, by default, all media. Safe while Lumaweb runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path",
            type=Path,
            nargs="?",
            help="The archive (….tar), or a folder to have it named by date, which is created if it does not exist. "
            "Without it: a backup in LUMAWEB_BACKUP_DIR, as the schedule makes it.",
        )
        parser.add_argument(
            "--with-keys",
            action="store_true",
            help="Include the signing key and the encryption keys: who has the archive can then read the API tokens.",
        )
        parser.add_argument(
            "--without-media",
            action="store_true",
            help="The database only, if the bucket or the media folder is backed up separately.",
        )

    def handle(self, *args: Any, path: Path | None, with_keys: bool, without_media: bool, **options: Any) -> None:
        if path is None:
            self._make_scheduled(with_keys or without_media)
            return
        try:
            if path.suffix != ".tar":
                path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            if path.is_dir():
                path /= f"lumaweb-{timezone.localtime():%Y-%m-%d-%H%M%S}.tar"
            with exit_on_sigterm():
                report = backup.create(path, with_keys=with_keys, with_media=not without_media)
        except backup.BackupFailed as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"The backup could not be written: {error}") from None
        self._report(path, report, with_keys=with_keys, without_media=without_media)

    def _make_scheduled(self, has_options: bool) -> None:
        """Make a backup in LUMAWEB_BACKUP_DIR and record it. Raises CommandError."""
        if settings.BACKUP_DIR is None:
            raise CommandError("Name a file or a folder, or set LUMAWEB_BACKUP_DIR.")
        if has_options:
            raise CommandError("A backup in LUMAWEB_BACKUP_DIR takes no options. Name a file or a folder.")
        with exit_on_sigterm():
            made = scheduled.back_up(settings.BACKUP_DIR)
        if made is None:
            raise CommandError("A backup is being made or verified at the moment.")
        if made.error:
            raise CommandError(made.error)
        for remark in made.remarks.splitlines():
            self.stderr.write(remark)
        self.stdout.write(
            f"Written: {made.path}. Generations: {made.generations}, members: {made.members}, "
            f"files: {made.media_files} ({filesizeformat(made.media_bytes)}), new: {filesizeformat(made.copied_bytes)}."
        )
        if settings.BUCKET:
            self.stdout.write("The videos are NOT in it: they are in the bucket, which you back up separately.")

    def _report(self, path: Path, report: backup.Report, *, with_keys: bool, without_media: bool) -> None:
        for remark in report.remarks:
            self.stderr.write(remark)
        counts = report.counts
        self.stdout.write(
            f"Written: {path}. Generations: {counts['generations']}, members: {counts['members']}, "
            f"files: {counts['files']} ({filesizeformat(counts['bytes'])})."
        )
        if without_media:
            self.stdout.write("The videos are NOT in it: back up their folder or bucket separately.")
        if with_keys:
            self.stdout.write(
                "The keys ARE in it: who reads this archive can use your API tokens and sign in as any member. Protect "
                "it like a password."
            )
        else:
            self.stdout.write(
                "The keys are NOT in it: without the encryption-keys of this installation the API tokens in the "
                "archive cannot be decrypted and have to be entered again. Store the keys separately, or use "
                "--with-keys."
            )
        if report.remarks:
            self.stdout.write("Check the files named above with manage.py verify_media.")
            # A scheduled backup that lacks files has to fail visibly.
            sys.exit(1)
