"""Read environment variables. A bad value raises ImproperlyConfigured, which says what to set the variable to."""

import base64
import os
import re
import secrets
import time
from email.utils import parseaddr
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from .durability import sync_folder
from .permissions import PRIVATE_FILE, create_folder

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def is_set(name: str) -> bool:
    """Return whether the variable is set, perhaps to an empty value."""
    return name in os.environ


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def words(name: str, default: str = "") -> list[str]:
    """Read a comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def number(name: str, default: int, *, minimum: int, maximum: int) -> int:
    value = text(name) or str(default)
    if not (value.isascii() and value.isdigit() and minimum <= int(value) <= maximum):
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to a whole number from {minimum} to {maximum}.")
    return int(value)


def flag(name: str) -> bool:
    value = text(name).lower()
    if value in ("", "0", "no", "off", "false"):
        return False
    if value in ("1", "yes", "on", "true"):
        return True
    raise ImproperlyConfigured(f"{name} is {value!r}; set it to 1 or 0.")


def choice(name: str, *choices: str) -> str:
    """Read one of these words; the first if unset."""
    value = text(name).lower() or choices[0]
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to {' or '.join(choices)}.")
    return value


def bearer_token(name: str) -> str:
    """Read a token that another program sends, of at least 20 characters; "" if unset."""
    value = text(name)
    if value and not re.fullmatch(r"[!-~]{20,200}", value):
        # Without the value, which is a secret.
        raise ImproperlyConfigured(
            f"{name} is too short or has spaces or special characters; set it to 20 characters or more."
        )
    return value


def origin(name: str) -> str:
    """Read an http(s) address without a path, and return it without a trailing slash; "" if unset."""
    value = text(name)
    return check_origin(name, value) if value else ""


def check_origin(name: str, value: str) -> str:
    """Return an http(s) address without a trailing slash; raise ImproperlyConfigured if it has a path or a user."""
    try:
        parts = urlsplit(value)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        is_valid = is_valid and not (parts.path.strip("/") or parts.query or parts.fragment)
        parts.port  # noqa: B018  (raises ValueError for a bad port)
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to an address such as https://films.example.com.")
    return f"{parts.scheme}://{parts.netloc}"


def url_path(name: str) -> str:
    """Read a path such as /protected-media/; "" if unset."""
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
    """Read a mail server: smtp://user:password@host:587 (with STARTTLS) or smtps://host:465; None if unset.

    smtp+insecure:// does not use TLS, for a server on this machine.
    """
    if not (value := text(name)):
        return None
    default_ports = {"smtp": 587, "smtps": 465, "smtp+insecure": 25}
    try:
        parts = urlsplit(value)
        port = parts.port or default_ports[parts.scheme]
        is_valid = bool(parts.hostname)
    except (ValueError, KeyError):
        is_valid = False
    if not is_valid:
        # Without the value, which holds a password.
        raise ImproperlyConfigured(f"{name} cannot be read; set it to smtp://user:password@host:587 or smtps://….")
    return Mail(
        parts.hostname or "",
        port,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        parts.scheme == "smtp",
        parts.scheme == "smtps",
    )


def sender(name: str, *, required: bool) -> str:
    """Read the sender of mails: films@example.com, or Lumaweb <films@example.com>."""
    value = text(name)
    if not (value or required):
        return "Lumaweb <lumaweb@localhost>"
    _, address = parseaddr(value)
    if not (re.fullmatch(r"[^@\s]+@[^@\s]+", address) and value.isprintable()):
        problem = f"is {value!r}" if value else "is not set, although mail is"
        raise ImproperlyConfigured(f"{name} {problem}; set it to an address such as Lumaweb <films@example.com>.")
    return value


class Bucket(NamedTuple):
    """Object storage. Lumaweb uses `endpoint` and browsers use `links`; both are origins.

    Without the keys, so that no error page shows them.
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
        """The origin of the links."""
        scheme, _, host = self.links.partition("://")
        return self.links if self.addressing == "path" else f"{scheme}://{self.name}.{host}"


def bucket(name: str) -> Bucket | None:
    """Read object storage from the variables `name`_BUCKET, `name`_ENDPOINT and so on; None if no bucket is set."""
    if not (bucket := text(f"{name}_BUCKET")):
        return None
    region = text(f"{name}_REGION") or "us-east-1"
    endpoint = text(f"{name}_ENDPOINT")
    addressing = text(f"{name}_ADDRESSING") or ("path" if endpoint else "virtual")
    prefix = text(f"{name}_PREFIX").strip("/")
    for part, value, pattern, example in (
        ("BUCKET", bucket, r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}", "the bucket's name, such as team-films"),
        ("REGION", region, r"[A-Za-z0-9-]{1,40}", "a region such as eu-central-1"),
        ("ADDRESSING", addressing, "path|virtual", "path (https://host/bucket) or virtual (https://bucket.host)"),
        ("PREFIX", prefix, r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/(?!$)|$))*", "a folder such as lumaweb or films/2026"),
    ):
        if not re.fullmatch(pattern, value):
            raise ImproperlyConfigured(f"{name}_{part} is {value!r}; set it to {example}.")
    if bool(text(f"{name}_ACCESS_KEY")) != bool(text(f"{name}_SECRET_KEY")):
        raise ImproperlyConfigured(
            f"Only one of {name}_ACCESS_KEY and {name}_SECRET_KEY is set. Set both, or neither if the machine's own "
            "role has access to the bucket."
        )
    endpoint = check_origin(f"{name}_ENDPOINT", endpoint or f"https://s3.{region}.amazonaws.com")
    return Bucket(
        bucket,
        endpoint,
        origin(f"{name}_PUBLIC_ENDPOINT") or endpoint,
        region,
        addressing,
        prefix,
        number(f"{name}_LINK_SECONDS", 600, minimum=60, maximum=3600),
    )


def secret(name: str, path: Path, *, may_generate: bool) -> str:
    """Read a secret from the environment, else from a file, which is generated once (mode 0600)."""
    if value := text(name):
        return value
    if may_generate:
        return _read_or_generate(path)
    if path.exists():
        raise ImproperlyConfigured(
            f"{name} is not set. It is required beyond loopback, and this installation has one already in\n"
            f"  {path}\n"
            "Set the variable to the content of this file: with another value, stored data could not be read."
        )
    raise ImproperlyConfigured(
        f"{name} is not set. It is required beyond loopback: set it to the output of\n"
        '  python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"\n'
        "and keep it with your backups' secrets, not with the backups."
    )


def _read_or_generate(path: Path) -> str:
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


def _read(path: Path) -> str:
    """Read a secret that another process may be writing at this moment."""
    for _ in range(50):
        if value := path.read_text().strip():
            return value
        time.sleep(0.02)
    raise ImproperlyConfigured(f"{path} is empty. Restore its content, or remove it to have a new secret generated.")
