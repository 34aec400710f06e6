import base64
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from lumaweb.durability import sync_folder
from lumaweb.locked_command import LockedCommand
from videos.models import ApiToken, AuditEntry, Heartbeat, ProviderAccount
from videos.models.provider_account import AccountUnreadable
from videos.models.token import TokenUnreadable


class Command(LockedCommand):
    help = (
        "Encrypt every stored API token with the newest encryption key, so that the older keys can be removed. Safe "
        "while Lumaweb runs, as long as every process has all the keys."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--new-key",
            action="store_true",
            help="First generate a new key, and remove the old ones afterwards. Only for the key file in the data "
            "directory, and only while Lumaweb is stopped.",
        )

    def handle(self, *args: Any, new_key: bool, **options: Any) -> None:
        if new_key:
            self._rotate_to_new_key(_key_file())
            return
        encrypted = self._encrypt_again()
        self.stdout.write(f"{encrypted} encrypted with the newest key. Remove the older keys now, and restart.")

    def _rotate_to_new_key(self, path: Path) -> None:
        """Write both keys first, then only the new one: after an interruption the file still decrypts all tokens."""
        old = list(settings.ENCRYPTION_KEYS)
        new = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        _replace(path, ",".join([new, *old]))
        settings.ENCRYPTION_KEYS = [new, *old]
        try:
            encrypted = self._encrypt_again()
        except CommandError:
            _replace(path, ",".join(old))
            settings.ENCRYPTION_KEYS = old
            raise
        _replace(path, new)
        settings.ENCRYPTION_KEYS = [new]
        self.stdout.write(
            f"{encrypted} encrypted with a new key, now the only one in {path}. Earlier backups need the old key: "
            "store it with them."
        )

    @staticmethod
    def _encrypt_again() -> str:
        try:
            with transaction.atomic():
                count = ApiToken.objects.reencrypt()
                if account := ProviderAccount.objects.current():
                    account.reencrypt()
        except (TokenUnreadable, AccountUnreadable) as error:
            raise CommandError(f"Nothing was changed. {error}") from None
        encrypted = f"{count} API {'token' if count == 1 else 'tokens'}"
        AuditEntry.objects.record(None, f"Encrypted {encrypted} with the newest key.")
        return encrypted


def _key_file() -> Path:
    """Return the file with the keys; raise CommandError if the environment sets them or Lumaweb is running."""
    path = settings.DATA_DIR / "encryption-keys"
    if settings.ENCRYPTION_KEYS_GIVEN or not path.exists():
        raise CommandError(
            "LUMAWEB_ENCRYPTION_KEYS sets the keys, so change them there: put a new key in front of the others, "
            "separated by a comma, restart everything, run this command without --new-key, and remove the old keys."
        )
    if Heartbeat.objects.recent().exists():
        raise CommandError(
            "Lumaweb is running, or was a minute ago: its processes would not know the new key. Stop it first."
        )
    return path


def _replace(path: Path, keys: str) -> None:
    """Replace the file atomically, with mode 0600, and write it to the disk before any token is encrypted with it."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(keys)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)
