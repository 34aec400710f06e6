"""Read the environment: every variable through one of these, so that a bad value stops the start in words."""

import base64
import os
import re
import secrets
import time
from collections.abc import Callable
from email.utils import parseaddr
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def words(name: str, default: str = "") -> list[str]:
    """Read a comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def number(name: str, default: int, *, least: int, most: int) -> int:
    value = text(name, str(default)) or str(default)
    if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to a whole number from {least} to {most}.")
    return int(value)


def flag(name: str) -> bool:
    value = text(name).lower()
    if value in ("", "0", "no", "off", "false"):
        return False
    if value in ("1", "yes", "on", "true"):
        return True
    raise ImproperlyConfigured(f"{name} is {value!r}; set it to 1 or 0.")


def origin(name: str, value: str) -> str:
    """Check an http(s) address without a path and return it without a trailing slash."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        good = good and not (parts.path.strip("/") or parts.query or parts.fragment)
        parts.port  # noqa: B018  (reading it is what checks it)
    except ValueError:
        good = False
    if not good:
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to an address such as https://films.example.com.")
    return f"{parts.scheme}://{parts.netloc}"


class Mail(NamedTuple):
    host: str
    port: int
    user: str
    password: str
    starttls: bool
    tls: bool


def mail(name: str) -> Mail | None:
    """Read where mail is handed over: smtp://user:password@host:587 (with STARTTLS) or smtps://…:465; None if unset.

    smtp+insecure:// speaks without TLS, for a server on this machine.
    """
    if not (value := text(name)):
        return None
    ports = {"smtp": 587, "smtps": 465, "smtp+insecure": 25}
    try:
        parts = urlsplit(value)
        port = parts.port or ports[parts.scheme]
        good = bool(parts.hostname)
    except (ValueError, KeyError):
        good = False
    if not good:
        # Not the value itself: there is a password in it.
        raise ImproperlyConfigured(f"{name} cannot be read; set it to smtp://user:password@host:587 or smtps://….")
    return Mail(
        parts.hostname or "",
        port,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        parts.scheme == "smtp",
        parts.scheme == "smtps",
    )


def sender(name: str, *, wanted: bool) -> str:
    """Read whom mail comes from: films@example.com, or Lumaweb <films@example.com>."""
    value = text(name)
    if not (value or wanted):
        return "Lumaweb <lumaweb@localhost>"
    _, address = parseaddr(value)
    if not (re.fullmatch(r"[^@\s]+@[^@\s]+", address) and value.isprintable()):
        said = f"is {value!r}" if value else "is not set, and mail is"
        raise ImproperlyConfigured(f"{name} {said}; set it to an address such as Lumaweb <films@example.com>.")
    return value


def secret(name: str, data_dir: Path, file_name: str, *, may_generate: bool) -> str:
    """Read a secret from the environment, else from the data directory, where it is generated once (mode 0600)."""
    if value := text(name):
        return value
    path = data_dir / file_name
    if not may_generate and path.exists():
        raise ImproperlyConfigured(
            f"{name} is not set. Beyond loopback it has to be given, and this installation has one already in\n"
            f"  {path}\n"
            "Set the variable to what is in it: with another one, nothing could be read that was stored with this."
        )
    if not may_generate:
        raise ImproperlyConfigured(
            f"{name} is not set. Beyond loopback it has to be given: set it to the output of\n"
            '  python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"\n'
            "and keep it with your backups' secrets, not with the backups."
        )
    return written_once(path, lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())


def written_once(path: Path, make: Callable[[], str]) -> str:
    """What a file of ours says (mode 0600); made at the first call. Raises ImproperlyConfigured where it is empty."""
    try:
        # O_EXCL: of several processes that start at once, one writes and the others read what it wrote.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _written(path)
    value = make()
    with os.fdopen(handle, "w") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    # What is encrypted with it must not outlast it: the folder's entry has to be on the disk too.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return value


def _written(path: Path) -> str:
    for _ in range(50):
        if value := path.read_text().strip():
            return value
        time.sleep(0.02)
    raise ImproperlyConfigured(f"{path} is empty. Put back what was in it, or remove it to have a new one made.")
