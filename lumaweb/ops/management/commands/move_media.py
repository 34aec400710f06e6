import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from lumaweb.locked_command import LockedCommand
from lumaweb.ops import move_media
from lumaweb.signals import exit_on_sigterm
from videos.models import Generation


class Command(LockedCommand):
    help = (
        "Copy the media of a stopped installation into the bucket (LUMAWEB_S3_BUCKET), or back into the folder, and "
        "compare each file by SHA-256. Queued videos are held. The command can be interrupted and run again; copied "
        "files stay in place until you remove them. Exit status 1 if a file is missing or differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        direction = parser.add_mutually_exclusive_group(required=True)
        direction.add_argument("--to-bucket", action="store_true", help="From the folder into the bucket.")
        direction.add_argument("--to-folder", action="store_true", help="From the bucket into the folder.")
        parser.add_argument(
            "--ahead",
            action="store_true",
            help="Copy the existing files while Lumaweb runs, and hold no videos. Run the command again without this "
            "option after stopping Lumaweb: then only the rest is left.",
        )

    def handle(self, *args: Any, to_bucket: bool, to_folder: bool, ahead: bool, **options: Any) -> None:
        try:
            move = move_media.MediaMove(to_bucket, self.stdout.write)
            if not ahead:
                move_media.hold_queue()
            with exit_on_sigterm():
                move.run()
        except move_media.MoveRefused as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            message = f"Not all files were copied: {error} Run this again, and it continues from here."
            raise CommandError(message + ("" if ahead else " Queued videos are held until then.")) from None
        counts = move.counts
        self.stdout.write(
            f"Copied: {counts['copied']} files, {counts['bytes']:,} bytes. There already: {counts['there']}. Missing: "
            f"{counts['missing']}, changed since they were saved: {counts['changed']}, different files with the same "
            f"name in the new place: {counts['different']}."
        )
        if ahead:
            self.stdout.write("Lumaweb has been running: stop it and run this again without --ahead.")
        elif held := Generation.objects.held().count():
            self.stdout.write(
                f"Held: {held} queued. Start Lumaweb, look at a video, then release them on the Provider page."
            )
        self.stdout.write("Nothing was removed from the old place.")
        if counts["missing"] + counts["changed"] + counts["different"]:
            sys.exit(1)
