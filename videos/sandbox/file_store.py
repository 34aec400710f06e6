"""Uploaded pictures: kept for 7 days, and for the account that uploaded them only."""

import io
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from .http_client import IMAGE_PIXELS, Unreadable
from .ledger import Ledger

KEPT_SECONDS = 7 * 24 * 3600.0
SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One uploaded picture; name is the unguessable last part of its link."""

    name: str
    path: Path
    expires_at: float


class FileStore:
    """The pictures of all accounts in one folder, and their owners in the ledger."""

    def __init__(self, folder: Path, ledger: Ledger):
        self.folder, self._ledger = folder, ledger

    def save(self, picture: bytes, token_hash: str) -> StoredFile:
        """Keep a picture for an account; Unreadable when it is none."""
        name = f"{secrets.token_urlsafe(16)}.{_suffix(picture)}"
        self.folder.mkdir(parents=True, exist_ok=True)
        stored = StoredFile(name, self.folder / name, time.time() + KEPT_SECONDS)
        stored.path.write_bytes(picture)
        self._ledger.add_file(name, token_hash, stored.expires_at)
        return stored

    def find(self, name: str, token_hash: str) -> StoredFile:
        """Return a picture of this account; Unreadable when it is unknown, expired or another account's."""
        row = self._ledger.file(name)
        if row is None or row["expires_at"] <= time.time():
            raise Unreadable("there is no such file, or it has expired")
        if row["token_hash"] != token_hash:
            raise Unreadable("the file belongs to another account")
        return StoredFile(name, self.folder / name, row["expires_at"])


def _suffix(picture: bytes) -> str:
    try:
        with Image.open(io.BytesIO(picture), formats=list(SUFFIXES)) as opened:
            if opened.width * opened.height > IMAGE_PIXELS:
                raise Unreadable(f"{opened.width}x{opened.height} pixels are too many")
            return SUFFIXES[opened.format or ""]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Unreadable("the file is not a JPEG, PNG, WebP or GIF picture") from error
