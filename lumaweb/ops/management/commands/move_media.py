import sys

from django.core.management.base import CommandError

from lumaweb.locked_command import LockedCommand
from lumaweb.ops import move_media
from lumaweb.signals import exit_on_sigterm
from videos.models import Generation


class Command(LockedCommand):
    help = (
        "Copy the media of a stopped installation into the bucket (LUMAWEB_S3_BUCKET), or back into the folder, and "
        "compare each by its SHA-256. What waits to be sent is held. Can be stopped and run again; what is copied "
        "stays where it was until you remove it. Ends with 1 where anything is missing."
    )

    def add_arguments(self, parser) -> None:
        ways = parser.add_mutually_exclusive_group(required=True)
        ways.add_argument("--to-bucket", action="store_true", help="From the folder into the bucket.")
        ways.add_argument("--to-folder", action="store_true", help="From the bucket into the folder.")
        parser.add_argument(
            "--ahead",
            action="store_true",
            help="Copy what is there already, while Lumaweb runs and with the queue as it is. Run it again without "
            "this once Lumaweb is stopped: then only the rest is left.",
        )

    def handle(self, *args, to_bucket: bool, to_folder: bool, ahead: bool, **options) -> None:
        try:
            move = move_media.Move(to_bucket, self.stdout.write)
            if not ahead:
                move_media.hold_the_queue()
            with exit_on_sigterm():
                move.run()
        except move_media.MoveRefused as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            words = f"Not all could be moved: {error} Run this again, and it goes on from here."
            raise CommandError(words + ("" if ahead else " What waits to be sent is held until then.")) from None
        found = move.found
        wrong = found["missing"] + found["changed"] + found["different"]
        self.stdout.write(
            f"Copied: {found['moved']} files, {found['bytes']:,} bytes. There already: {found['there']}. Missing: "
            f"{found['missing']}, changed since they were saved: {found['changed']}, other files by their name in the "
            f"new place: {found['different']}."
        )
        if ahead:
            self.stdout.write("Lumaweb has been running: stop it and run this again without --ahead.")
        elif held := Generation.objects.held().count():
            self.stdout.write(
                f"Held: {held} that waited to be sent. Start Lumaweb, look at a video, then release them under "
                "/admin/videos/generation/."
            )
        self.stdout.write("Nothing was removed where the files came from.")
        if wrong:
            sys.exit(1)
