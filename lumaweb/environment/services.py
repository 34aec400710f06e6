"""Parse the addresses of other services: database, queue, mail, object storage. Each function raises Invalid.

None of the messages contains an address, which has a password in it.
"""

import re
from email.utils import parseaddr
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import dj_database_url

from .addresses import is_host
from .variable import Invalid

DATABASE_EXAMPLE = "postgres://user:password@host/name"
REDIS_EXAMPLE = "redis://host:6379/0"
# In seconds. A worker waits one second for a call in one request, so the second must be longer.
REDIS_TIMEOUTS = "socket_connect_timeout=3&socket_timeout=10"
MAIL_EXAMPLE = "smtp://user:password@host:587 or smtps://user:password@host"
_ENCODE = "has a special character in the password: percent-encode it, such as %23 for #, %2F for / and %3F for ?"


def _split(value: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    """Split an address with one of these schemes."""
    scheme, separator, rest = value.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise Invalid(example, f"does not begin with {schemes[0]}://")
    if scheme not in schemes:
        raise Invalid(example, f"begins with {scheme}://")
    if re.search(r"[\s\"'`]", rest):
        raise Invalid(example, "has spaces or quotes")
    try:
        parts = urlsplit(value)
        is_valid = parts.port is None or parts.port > 0
    except ValueError:
        is_valid = False
    # The first of / ? and # ends the part that is read as user, password and host; the last @ in it begins the host.
    if "@" in rest and (not is_valid or "@" not in parts.netloc):
        raise Invalid(example, _ENCODE)
    if not is_valid:
        raise Invalid(example, "has no valid port")
    return parts


def database(value: str) -> dict[str, Any] | None:
    """Parse the address of a PostgreSQL database to Django's options; None if empty."""
    if not value:
        return None
    if value.startswith("sqlite"):
        raise Invalid(f"{DATABASE_EXAMPLE}, or leave it unset for the SQLite file", "is for PostgreSQL")
    parts = _split(value, ("postgres", "postgresql", "pgsql"), DATABASE_EXAMPLE)
    if not parts.path.strip("/"):
        raise Invalid(DATABASE_EXAMPLE, "names no database")
    try:
        return dict(dj_database_url.parse(value, conn_max_age=60, conn_health_checks=True))
    except (dj_database_url.ParseError, dj_database_url.UnknownSchemeError, ValueError):
        raise Invalid(DATABASE_EXAMPLE, "cannot be read") from None


def redis(value: str) -> str:
    """Parse the address of a Redis; "" if empty."""
    if value:
        parts = _split(value, ("redis", "rediss", "unix"), REDIS_EXAMPLE)
        if parts.scheme != "unix" and not parts.hostname:
            raise Invalid(REDIS_EXAMPLE, "has no host")
        if parts.scheme != "unix" and not re.fullmatch(r"/?|/[0-9]{1,3}", parts.path):
            raise Invalid(REDIS_EXAMPLE, "has something other than the number of a database after the host")
    return value


def with_timeouts(redis_url: str) -> str:
    """Return the address of a Redis with timeouts, unless it has some: a server that hangs must not hold requests."""
    parts = urlsplit(redis_url)
    if parts.scheme == "unix" or "timeout" in parts.query:
        return redis_url
    return f"{redis_url}{'&' if parts.query else '?'}{REDIS_TIMEOUTS}"


class Mail(NamedTuple):
    host: str
    port: int
    user: str
    password: str
    starttls: bool
    tls: bool


def mail(value: str) -> Mail | None:
    """Parse a mail server: smtp://user:password@host:587 (with STARTTLS) or smtps://host:465; None if empty.

    smtp+insecure:// does not use TLS, for a server on this machine.
    """
    if not value:
        return None
    default_ports = {"smtp": 587, "smtps": 465, "smtp+insecure": 25}
    parts = _split(value, tuple(default_ports), MAIL_EXAMPLE)
    if not parts.hostname:
        raise Invalid(MAIL_EXAMPLE, "has no host")
    if not is_host(parts.hostname):
        raise Invalid(MAIL_EXAMPLE, "has no valid host")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise Invalid(MAIL_EXAMPLE, _ENCODE if "@" in value else "has a path")
    return Mail(
        parts.hostname,
        parts.port or default_ports[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        parts.scheme == "smtp",
        parts.scheme == "smtps",
    )


def sender(value: str) -> str:
    """Parse the sender of mails: films@example.com, or Lumaweb <films@example.com>; "" if empty."""
    _, address = parseaddr(value)
    if value and not (re.fullmatch(r"[^@\s]+@[^@\s]+", address) and value.isprintable()):
        raise Invalid("an address such as Lumaweb <films@example.com>")
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


def bucket_name(value: str) -> str:
    return _matching(value, r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}", "the bucket's name, such as team-films")


def region(value: str) -> str:
    return _matching(value, r"[A-Za-z0-9-]{1,40}", "a region such as eu-central-1")


def addressing(value: str) -> str:
    return _matching(value, "path|virtual", "path (https://host/bucket) or virtual (https://bucket.host)")


def prefix(value: str) -> str:
    folder = value.strip("/")
    return _matching(folder, r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/(?!$)|$))*", "a folder such as lumaweb or films/2026")


def _matching(value: str, pattern: str, remedy: str) -> str:
    if value and not re.fullmatch(pattern, value):
        raise Invalid(remedy)
    return value
