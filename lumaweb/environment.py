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


def choice(name: str, *known: str) -> str:
    """Read one of these words; the first if unset."""
    value = text(name).lower() or known[0]
    if value not in known:
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to {' or '.join(known)}.")
    return value


def password(name: str) -> str:
    """Read what a program of the admin's has to say to come in; "" if unset. A short one could be guessed."""
    value = text(name)
    if value and not re.fullmatch(r"[!-~]{20,200}", value):
        # Not the value itself: it is a secret.
        raise ImproperlyConfigured(f"{name} is too short, or has other than plain characters; set it to 20 or more.")
    return value


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


def place(name: str) -> str:
    """Read where a proxy keeps something apart, such as /protected-media/; "" if unset."""
    value = text(name)
    if value and not re.fullmatch(r"/(?:[A-Za-z0-9_-]+/)+", value):
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to a path such as /protected-media/.")
    return value


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


class Bucket(NamedTuple):
    """Where media are kept: `endpoint` is where we write to, `links` where browsers read from; both are origins.

    The keys are not in here, so that no page of an error shows them.
    """

    name: str
    endpoint: str
    links: str
    region: str
    addressing: str
    prefix: str
    link_seconds: int

    @property
    def origin(self) -> str:
        """Where a link leads."""
        scheme, _, host = self.links.partition("://")
        return self.links if self.addressing == "path" else f"{scheme}://{self.name}.{host}"


def bucket(name: str) -> Bucket | None:
    """Read where object storage is, from `name`_BUCKET and its companions; None if unset."""
    if not (bucket := text(f"{name}_BUCKET")):
        return None
    region = text(f"{name}_REGION", "us-east-1") or "us-east-1"
    endpoint = text(f"{name}_ENDPOINT")
    addressing = text(f"{name}_ADDRESSING") or ("path" if endpoint else "virtual")
    prefix = text(f"{name}_PREFIX").strip("/")
    for part, value, good, such_as in (
        ("BUCKET", bucket, r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}", "the bucket's name, such as team-films"),
        ("REGION", region, r"[A-Za-z0-9-]{1,40}", "a region such as eu-central-1"),
        ("ADDRESSING", addressing, "path|virtual", "path (https://host/bucket) or virtual (https://bucket.host)"),
        ("PREFIX", prefix, r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/(?!$)|$))*", "a folder such as lumaweb or films/2026"),
    ):
        if not re.fullmatch(good, value):
            raise ImproperlyConfigured(f"{name}_{part} is {value!r}; set it to {such_as}.")
    if bool(text(f"{name}_ACCESS_KEY")) != bool(text(f"{name}_SECRET_KEY")):
        raise ImproperlyConfigured(
            f"Of {name}_ACCESS_KEY and {name}_SECRET_KEY only one is set. Set both, or neither where the machine's own "
            "role opens the bucket."
        )
    endpoint = origin(f"{name}_ENDPOINT", endpoint or f"https://s3.{region}.amazonaws.com")
    links = text(f"{name}_PUBLIC_ENDPOINT")
    return Bucket(
        bucket,
        endpoint,
        origin(f"{name}_PUBLIC_ENDPOINT", links) if links else endpoint,
        region,
        addressing,
        prefix,
        number(f"{name}_LINK_SECONDS", 600, least=60, most=3600),
    )


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
    return _written_once(path, lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())


def _written_once(path: Path, make: Callable[[], str]) -> str:
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
