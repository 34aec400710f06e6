"""Secrets that are generated once and kept in the data directory."""

import base64
import os
import secrets
import time
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from lumaweb.durability import sync_folder
from lumaweb.permissions import PRIVATE_FILE, create_folder

from .values import KEY_COMMAND


def read_or_generate(path: Path) -> str:
    """Return the secret in a file; create it in the first process that needs it. Raises ImproperlyConfigured."""
    create_folder(path.parent)
    try:
        # O_EXCL: of several processes that start at once, one writes and the others read what it wrote.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    except FileExistsError:
        return _read(path)
    value = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    with os.fdopen(descriptor, "w") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    # The secret must not be lost in a power cut that data encrypted with it survives.
    sync_folder(path.parent)
    return value


def missing(name: str, path: Path, reason: str) -> str:
    """Return a sentence that says how to set this variable. `reason` completes "It is required …"."""
    if path.exists():
        return (
            f"{name} is not set. It is required {reason}, and this installation has one already in {path}; set it to "
            "the content of this file: with another value, stored data could not be read."
        )
    return (
        f"{name} is not set. It is required {reason}; set it to the output of {KEY_COMMAND} and keep a copy, but not "
        "with the backups."
    )


def _read(path: Path) -> str:
    """Read a secret that another process may be writing at this moment."""
    for _ in range(50):
        if value := path.read_text().strip():
            return value
        time.sleep(0.02)
    raise ImproperlyConfigured(f"{path} is empty. Restore its content, or remove it to have a new secret generated.")
