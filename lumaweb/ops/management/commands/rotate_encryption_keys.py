import base64
import os
import secrets
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from lumaweb.locked_command import LockedCommand
from videos.models import ApiToken, AuditEntry, Heartbeat
from videos.models.token import TokenUnreadable


class Command(LockedCommand):
    help = (
        "Encrypt every stored API token with the newest of the encryption keys, so that the older ones can be removed. "
        "Safe while everything runs, as long as every process knows all the keys."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument(
            "--new-key",
            action="store_true",
            help="Make a new key first and forget the old ones after it. For the key file in the data directory only, "
            "while Lumaweb is stopped.",
        )

    def handle(self, *args, new_key: bool, **options) -> None:
        if new_key:
            self._with_a_new_key(key_file())
            return
        done = self._encrypt_anew()
        self.stdout.write(
            f"{done} encrypted with the newest key. The older keys can be removed now: take them out and restart."
        )

    def _with_a_new_key(self, file: Path) -> None:
        """Both keys first, then only the new one: wherever this is cut short, the file opens what is stored."""
        old = list(settings.ENCRYPTION_KEYS)
        new = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        write(file, ",".join([new, *old]))
        settings.ENCRYPTION_KEYS = [new, *old]
        try:
            done = self._encrypt_anew()
        except CommandError:
            write(file, ",".join(old))
            settings.ENCRYPTION_KEYS = old
            raise
        write(file, new)
        settings.ENCRYPTION_KEYS = [new]
        self.stdout.write(
            f"{done} encrypted with a new key, which alone is in {file} now. Backups that were made before need the "
            "old one: keep it with them."
        )

    @staticmethod
    def _encrypt_anew() -> str:
        try:
            count = ApiToken.objects.reencrypt()
        except TokenUnreadable as error:
            raise CommandError(f"Nothing was changed. {error}") from None
        done = f"{count} API {'token' if count == 1 else 'tokens'}"
        AuditEntry.objects.record(None, f"Encrypted {done} with the newest key.")
        return done


def key_file() -> Path:
    """The file with the keys, where that is what counts and nothing runs that knows only what it says now."""
    file = settings.DATA_DIR / "encryption-keys"
    if os.environ.get("LUMAWEB_ENCRYPTION_KEYS", "").strip() or not file.exists():
        raise CommandError(
            "The keys are given by LUMAWEB_ENCRYPTION_KEYS, so they are changed there: put a new one in front of the "
            "others, separated by a comma, restart everything, run this command without --new-key, and take the old "
            "ones out."
        )
    if Heartbeat.objects.lately().exists():
        raise CommandError(
            "Lumaweb is running, or was a minute ago: its processes would not know the new key. Stop it first."
        )
    return file


def write(file: Path, keys: str) -> None:
    """Put the file in place at once, readable by its owner alone, and on the disk before anything relies on it."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(keys)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
