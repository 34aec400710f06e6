"""Uploaded pictures: kept for 7 days, and readable only with the account that uploaded them."""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from .database import Database
from .errors import InvalidFile
from .images import upload_suffix

RETENTION_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One uploaded picture; name is the unguessable last part of its link, expires_at in Unix seconds."""

    name: str
    path: Path
    expires_at: float


class FileStore:
    """The pictures of all accounts in one folder, and their owners in the database."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder, self._database = folder, database

    def save(self, picture: bytes, token_hash: str) -> StoredFile:
        """Keep a picture for an account; raise InvalidFile for any other file."""
        name = f"{secrets.token_urlsafe(16)}.{upload_suffix(picture)}"
        self._folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        stored = StoredFile(name, self._folder / name, now + RETENTION_SECONDS)
        stored.path.write_bytes(picture)
        self._database.execute(
            "INSERT INTO files (name, token_hash, uploaded_at, expires_at) VALUES (?, ?, ?, ?)",
            (name, token_hash, now, stored.expires_at),
        )
        return stored

    def find(self, name: str, token_hash: str) -> StoredFile:
        """Return a picture of this account; raise InvalidFile if it is unknown, expired or another account's."""
        row = self._database.query_one("SELECT * FROM files WHERE name = ?", (name,))
        if row is None or row["expires_at"] <= time.time():
            raise InvalidFile("there is no such file, or it has expired")
        if row["token_hash"] != token_hash:
            raise InvalidFile("the file belongs to another account")
        return StoredFile(name, self._folder / name, row["expires_at"])
