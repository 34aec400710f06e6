import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from lumaweb.locked_command import LockedCommand
from lumaweb.ops import backup
from lumaweb.signals import exit_on_sigterm


class Command(LockedCommand):
    help = "Write one archive of the database and, by default, all media. Safe while Lumaweb runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="The archive (….tar), or a folder to have it named by date.")
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

    def handle(self, *args: Any, path: Path, with_keys: bool, without_media: bool, **options: Any) -> None:
        if path.is_dir():
            path /= f"lumaweb-{timezone.localtime():%Y-%m-%d-%H%M%S}.tar"
        try:
            with exit_on_sigterm():
                report = backup.create(path, with_keys=with_keys, with_media=not without_media)
        except backup.BackupFailed as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"The backup could not be written: {error}") from None
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
