import sys
from pathlib import Path

from django.core.management.base import CommandError
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from lumaweb.locked_command import LockedCommand
from lumaweb.ops import backup
from lumaweb.signals import exit_on_sigterm


class Command(LockedCommand):
    help = "Write one archive of the database and, unless told otherwise, all media. Safe while everything runs."

    def add_arguments(self, parser) -> None:
        parser.add_argument("path", type=Path, help="The archive (….tar), or a folder: then its name is the date.")
        parser.add_argument(
            "--with-keys",
            action="store_true",
            help="Put the signing key and the encryption keys into it: whoever has the archive has the API tokens.",
        )

        parser.add_argument(
            "--without-media",
            action="store_true",
            help="The database alone: for videos in a bucket or a folder that is kept safe by other means.",
        )

    def handle(self, *args, path: Path, with_keys: bool, without_media: bool, **options) -> None:
        if path.is_dir():
            path /= f"lumaweb-{timezone.localtime():%Y-%m-%d-%H%M%S}.tar"
        try:
            with exit_on_sigterm():
                report = backup.write(path, with_keys=with_keys, with_media=not without_media)
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
            self.stdout.write("The videos are NOT in it: their folder or bucket needs a copy of its own.")
        if with_keys:
            self.stdout.write(
                "The keys ARE in it: whoever reads this archive can use your API tokens and sign in as anybody. Keep "
                "it like a password."
            )
        else:
            self.stdout.write(
                "The keys are NOT in it: without the encryption-keys of this installation the API tokens in the "
                "archive cannot be opened and have to be entered again. Keep the keys elsewhere, or use --with-keys."
            )
        if report.remarks:
            self.stdout.write("Look into the files named above with manage.py verify_media.")
            # Whoever keeps the latest archive only, by night and unseen, has to be told that it lacks something.
            sys.exit(1)
