"""Fetch a link within rules: resolve its host once, check the address, and connect to that address."""

import hashlib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import IO

import httpcore
import httpx

from .connection import PinnedBackend, Resolver, resolve_host
from .errors import DownloadFailed, HostNotListed, NotAllowed, TooLarge
from .links import Link, Origin, is_public_address, matches_host, parse_link

MAX_REDIRECTS = 3
ALLOWED_PORTS = frozenset({80, 443})
REDIRECTS = (301, 302, 303, 307, 308)
TEMPORARY = (408, 421, 423, 425, 429)  # client errors that a retry may overcome
HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "Lumaweb", "connection": "close"}


@dataclass(frozen=True)
class Rules:
    """What may be fetched: named hosts at public addresses, and exact origins at any address.

    hosts: names in any case; one that starts with a dot stands for its subdomains. origins: as `origin_of` returns
    them; these may be private. max_bytes limits the body; deadline is in seconds, from resolving to the last byte.
    """

    hosts: frozenset[str]
    origins: frozenset[Origin]
    max_bytes: int
    deadline: float


@dataclass(frozen=True)
class Fetched:
    """What was written: length in bytes, SHA-256 in hex, and the server's content type without parameters."""

    bytes: int
    sha256: str
    content_type: str


def fetch(
    url: str,
    rules: Rules,
    to: IO[bytes],
    *,
    resolve: Resolver = resolve_host,
    tls: ssl.SSLContext | None = None,
) -> Fetched:
    """Download a link into an open file, in chunks; raise NotAllowed, DownloadFailed, or the file's OSError.

    After an error the contents of the file are undefined.
    """
    digest, length = hashlib.sha256(), 0
    too_large = TooLarge(f"The file is larger than {rules.max_bytes:,} bytes.", permanent=True)
    with _open(url, rules, {}, resolve=resolve, tls=tls) as response:
        if response.status != 200:
            raise _status_error(response.status)
        if _header(response, b"content-encoding").lower() not in ("", "identity"):
            # We asked for no encoding. Decompressing would make the limit of bytes meaningless.
            raise DownloadFailed("The file came compressed.", status=200)
        announced = _header(response, b"content-length")
        if announced.isdecimal() and int(announced[:20]) > rules.max_bytes:
            raise too_large
        for chunk in response.iter_stream():
            length += len(chunk)
            if length > rules.max_bytes:
                raise too_large
            digest.update(chunk)
            to.write(chunk)
        content_type = _header(response, b"content-type").partition(";")[0].strip().lower()
    return Fetched(length, digest.hexdigest(), content_type[:100])


def probe(url: str, rules: Rules, *, resolve: Resolver = resolve_host, tls: ssl.SSLContext | None = None) -> int | None:
    """Request the first byte of a link; return the HTTP status, None if there is no answer or the rules forbid it.

    200 and 206 mean that the link works, 403, 404 and 410 that it does not.
    """
    try:
        with _open(url, rules, {"range": "bytes=0-0"}, resolve=resolve, tls=tls) as response:
            return response.status
    except (NotAllowed, DownloadFailed):
        return None


@contextmanager
def _open(
    url: str, rules: Rules, extra_headers: dict[str, str], *, resolve: Resolver, tls: ssl.SSLContext | None
) -> Iterator[httpcore.Response]:
    """Open a link and the redirects that the rules permit; yield the response. Raises NotAllowed, DownloadFailed."""
    deadline = time.monotonic() + rules.deadline
    link, is_trusted = _check(url, rules)
    try:
        for _ in range(MAX_REDIRECTS + 1):
            backend = PinnedBackend(None if is_trusted else is_public_address, resolve, deadline)
            with (
                httpcore.ConnectionPool(
                    ssl_context=tls or _default_tls(), network_backend=backend, max_connections=1, http2=False
                ) as pool,
                pool.stream(
                    "GET",
                    httpcore.URL(
                        scheme=link.scheme.encode(), host=link.host.encode(), port=link.port, target=link.target
                    ),
                    headers=[*HEADERS.items(), ("host", link.authority), *extra_headers.items()],
                ) as response,
            ):
                location = _header(response, b"location")
                if response.status not in REDIRECTS or not location:
                    yield response
                    return
            link, is_trusted = _follow(link, location, rules)
        raise DownloadFailed("The link redirects too often.", permanent=True)
    except httpcore.TimeoutException as error:
        raise DownloadFailed("The download took too long.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise DownloadFailed("The connection failed.") from error


def unlisted_host(url: str, rules: Rules) -> str:
    """Return the host of a link that the rules do not allow, or ""."""
    try:
        _check(url, rules)
    except HostNotListed as error:
        return str(error.host)
    except NotAllowed:
        return ""
    return ""


def _check(url: str, rules: Rules) -> tuple[Link, bool]:
    """Parse a link and tell whether its origin may have a private address; raise NotAllowed."""
    link = parse_link(url)
    if link.origin in rules.origins:
        return link, True
    if not any(matches_host(pattern, link.host) for pattern in rules.hosts):
        raise HostNotListed(link.host)
    if link.port not in ALLOWED_PORTS:
        raise NotAllowed(f"The link names port {link.port}, which is not allowed.")
    return link, False


def _follow(link: Link, location: str, rules: Rules) -> tuple[Link, bool]:
    """Check where a redirect leads, like `_check`."""
    try:
        following, is_trusted = _check(link.join(location), rules)
    except HostNotListed as refusal:
        raise HostNotListed(refusal.host, redirected=True) from None
    if link.scheme == "https" and following.scheme == "http":
        raise NotAllowed("The link redirects from https to http.")
    return following, is_trusted


def _header(response: httpcore.Response, name: bytes) -> str:
    found = (value for key, value in response.headers if key.lower() == name)
    return next(found, b"").decode("utf-8", errors="replace").strip()


def _status_error(status: int) -> DownloadFailed:
    # Expired links answer 400, 403, 404 or 410, depending on the vendor.
    permanent = 400 <= status < 500 and status not in TEMPORARY
    return DownloadFailed(f"The link answers {status}.", status=status, permanent=permanent)


@cache
def _default_tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
