from pathlib import Path

from django.core.management.base import CommandError

from lumaweb.locked_command import LockedCommand
from lumaweb.ops import backup
from lumaweb.signals import exit_on_sigterm


class Command(LockedCommand):
    help = (
        "Bring an archive that `backup` wrote into an installation that is stopped and empty: no members, and no media "
        "unless the archive has none. What waited to be sent is held until an admin releases it. There is no switch to "
        "overwrite anything."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("path", type=Path, help="The archive (….tar).")

    def handle(self, *args, path: Path, **options) -> None:
        try:
            with exit_on_sigterm():
                report = backup.restore(path)
        except backup.RestoreRefused as error:
            raise CommandError(str(error)) from None
        except (backup.BackupFailed, OSError) as error:
            raise CommandError(
                f"The backup could not be restored: {error} No media and no keys were left in place: mend this and "
                "run it again."
            ) from None
        counts = report.counts
        self.stdout.write(
            f"Restored. Generations: {counts['generations']}, members: {counts['members']}, files: {counts['files']}."
        )
        self.stdout.write(
            f"Waited to be sent, now held: {counts['held']}. They may have been sent, and charged, since the backup: "
            f"an admin releases them under /admin/videos/generation/. Were being sent, now unconfirmed: "
            f"{counts['unconfirmed']}."
        )
        self.stdout.write(
            f"Everybody has to sign in again. Open then and revoked now, as some may have been taken back since: "
            f"{counts['shares']} share links, {counts['invitations']} invitations."
        )
        if not report.with_media:
            self.stdout.write(
                "No videos were in the archive: those that are in the storage are shown again. Let manage.py "
                "verify_media look for what is missing."
            )
        self.stdout.write("The keys were in the archive." if report.with_keys else "No keys were in the archive.")
        for remark in report.remarks:
            self.stderr.write(remark)
