"""Fetching what a result names, and nothing else: the one place that dials addresses others chose.

A link is read once; the name in it is resolved once; the address that was checked is the address that is
dialled. Nothing here knows Django.
"""

import hashlib
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO

import httpcore
import httpx

MAX_REDIRECTS = 3
MAX_ADDRESSES = 4
STEP_SECONDS = 20.0
PORTS = frozenset({80, 443})

Origin = tuple[str, str, int]
Resolve = Callable[[str, int], Iterable[str]]


class NotAllowed(Exception):
    """The rules forbid this link, an address behind it, or a place it redirects to."""


class HostNotListed(NotAllowed):
    """The link, or a place it redirects to, is at a host that nobody allowed."""

    def __init__(self, host: str, *, redirected: bool = False):
        how = "The link redirects to" if redirected else "The link leads to"
        super().__init__(f"{how} {host}, which is not one of the allowed media hosts.")
        self.host = host


class DownloadFailed(Exception):
    """A permitted link brought no file.

    status is the HTTP status, None without an answer; permanent says that asking again cannot help.
    """

    def __init__(self, message: str, *, status: int | None = None, permanent: bool = False):
        super().__init__(message)
        self.status = status
        self.permanent = permanent


class TooLarge(DownloadFailed):
    """The file has more bytes than the rules allow."""


@dataclass(frozen=True)
class Rules:
    """What may be fetched: named hosts at global addresses, and exact origins wherever they are.

    hosts: names without case; one that starts with a dot stands for its subdomains. origins: as
    `origin_of` gives them; these may be private. max_bytes of the body, deadline in seconds for everything
    from resolving to the last byte.
    """

    hosts: frozenset[str]
    origins: frozenset[Origin]
    max_bytes: int
    deadline: float


@dataclass(frozen=True)
class Fetched:
    """What was written: bytes is the length, sha256 in hex, content_type as claimed, without parameters."""

    bytes: int
    sha256: str
    content_type: str


@dataclass(frozen=True, slots=True)
class _Link:
    scheme: str
    host: str
    port: int
    target: bytes

    @property
    def origin(self) -> Origin:
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target.decode('ascii')}"


_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> Origin:
    """Return scheme, host (lower-case, IDNA, without a trailing dot) and port; raise NotAllowed."""
    return _read(url).origin


def check_public_host(url: str, origins: frozenset[Origin] = frozenset()) -> str:
    """Say in a sentence why a link cannot be reached by the provider, or "" if nothing speaks against it.

    Nothing is resolved: that would tell strangers what is typed, and prove nothing about later.
    """
    try:
        link = _read(url)
    except NotAllowed as reason:
        return str(reason)
    if link.origin in origins:
        return ""
    try:
        address = _literal(link.host)
    except NotAllowed as reason:
        return str(reason)
    if address is not None:
        return "" if is_public_address(address) else "This link leads into a private network."
    labels = link.host.split(".")
    if "localhost" in (link.host, labels[-1]):
        return "This link leads to this machine."
    if len(labels) == 1 or any(link.host.endswith(ending) for ending in _PRIVATE_ENDINGS):
        return "This link leads into a private network."
    return ""


# Endings that the public DNS does not have, used inside networks only.
_PRIVATE_ENDINGS = (
    ".local",
    ".localdomain",
    ".internal",
    ".intranet",
    ".private",
    ".lan",
    ".home",
    ".corp",
    ".home.arpa",
)


def is_public_address(ip: str | ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether an address belongs to the public internet; False for what is not an address."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _EMBEDDING):
            return is_public_address(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        # Only 2000::/3 is handed out; everything else is local, reserved or a transition trick.
        if address not in _GLOBAL_UNICAST or address.scope_id:
            return False
    elif address.is_multicast or address.is_reserved:
        return False
    return address.is_global and not any(
        address in network for network in _SPECIAL if network.version == address.version
    )


_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# IPv6 that ends in the IPv4 address it stands for: mapped ones, and NAT64, by which an IPv6-only network
# reaches every IPv4 host.
_EMBEDDING = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
# Special, though some versions of `ipaddress` call them global: IETF assignments, 6to4 and its relays,
# Teredo and its neighbours, documentation.
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20")
)


def fetch(
    url: str,
    rules: Rules,
    to: BinaryIO,
    *,
    resolve: Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> Fetched:
    """Download a link into an open file, in pieces; raise NotAllowed, DownloadFailed, or the file's OSError.

    What is in the file after an error is of no use.
    """
    digest, length = hashlib.sha256(), 0
    too_long = TooLarge(f"The file is larger than {rules.max_bytes:,} bytes.", permanent=True)
    with _answer(url, rules, {}, resolve=resolve, tls=tls) as response:
        if response.status != 200:
            raise _refused(response.status)
        if _header(response, b"content-encoding").lower() not in ("", "identity"):
            # Asked for as it is; unpacking what comes anyway would make the cap a matter of luck.
            raise DownloadFailed("The file came compressed.", status=200)
        announced = _header(response, b"content-length")
        if announced.isdecimal() and int(announced[:20]) > rules.max_bytes:
            raise too_long
        for piece in response.iter_stream():
            length += len(piece)
            if length > rules.max_bytes:
                raise too_long
            digest.update(piece)
            to.write(piece)
        content_type = _header(response, b"content-type").partition(";")[0].strip().lower()
    return Fetched(length, digest.hexdigest(), content_type[:100])


def probe(url: str, rules: Rules, *, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None) -> int | None:
    """Ask whether a link still works, by its first byte: the HTTP status, None if that cannot be told.

    200 and 206 mean yes, 403, 404 and 410 no. None: not reached, or a link the rules forbid us to open.
    """
    try:
        with _answer(url, rules, {"range": "bytes=0-0"}, resolve=resolve, tls=tls) as response:
            return response.status
    except (NotAllowed, DownloadFailed):
        return None


# Reading links

# One reading for the rules and for the wire; what two readers could take differently is refused instead.
_PLAIN = re.compile(r"[^\s\\\x00-\x20\x7f\ud800-\udfff]+")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|[0-9a-f:.]+:[0-9a-f:.]*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def _read(url: str) -> _Link:
    if not _PLAIN.fullmatch(url):
        raise NotAllowed("This is not a link.")
    if not re.match(r"https?://", url, re.IGNORECASE):
        raise NotAllowed("A link starts with http:// or https://.")
    try:
        parsed = httpx.URL(url)
        scheme, host, port, target = parsed.scheme, parsed.raw_host, parsed.port, parsed.raw_path
    except (httpx.InvalidURL, ValueError) as error:
        raise NotAllowed("This is not a link.") from error
    if parsed.userinfo or "@" in re.split(r"[/?#]", url.split("//", 1)[1], maxsplit=1)[0]:
        raise NotAllowed("A link must not carry a user name.")
    name = host.decode("ascii").lower().removesuffix(".")
    labels = name.split(".")
    if not _HOST.fullmatch(name) or len(name) > 253 or not all(0 < len(label) < 64 for label in labels):
        raise NotAllowed("This link names no host.")
    number = _DEFAULT_PORTS[scheme] if port is None else port
    if not 1 <= number <= 65535:
        raise NotAllowed("This link names no port.")
    return _Link(scheme, name, number, target or b"/")


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read a host that is an address, in any spelling a resolver takes (127.1, 0x7f000001); else None."""
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host)
        except ValueError as error:
            raise NotAllowed("This link names no host.") from error
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError as error:
        raise NotAllowed("This link names no host.") from error


def _permitted(url: str, rules: Rules) -> tuple[_Link, bool]:
    """Read a link and tell whether its origin is trusted; raise NotAllowed."""
    link = _read(url)
    if link.origin in rules.origins:
        return link, True
    if not any(_covers(entry, link.host) for entry in rules.hosts):
        raise HostNotListed(link.host)
    if link.port not in PORTS:
        raise NotAllowed(f"The link names port {link.port}, which is not allowed.")
    return link, False


def _covers(entry: str, host: str) -> bool:
    entry = entry.strip().lower().removesuffix(".")
    name = entry.removeprefix(".")
    if not name.isascii():
        try:
            name = origin_of(f"https://{name}/")[1]
        except NotAllowed:
            return False
    return host.endswith(f".{name}") if entry.startswith(".") else host == name


# The wire

_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "Lumaweb", "connection": "close"}


@contextmanager
def _answer(
    url: str, rules: Rules, extra: dict[str, str], *, resolve: Resolve | None, tls: ssl.SSLContext | None
) -> Iterator[httpcore.Response]:
    """Open a link, follow what redirects the rules permit, and hand out the answer; raise our two errors."""
    ends = time.monotonic() + rules.deadline
    link, trusted = _permitted(url, rules)
    try:
        for _ in range(MAX_REDIRECTS + 1):
            headers: list[tuple[str, str]] = [*_HEADERS.items(), ("host", link.authority), *extra.items()]
            backend = _PinnedBackend(None if trusted else is_public_address, resolve or _resolve, ends)
            with (
                httpcore.ConnectionPool(
                    ssl_context=tls or _tls(), network_backend=backend, max_connections=1, http2=False
                ) as pool,
                pool.stream(
                    "GET",
                    httpcore.URL(
                        scheme=link.scheme.encode(),
                        host=link.host.encode(),
                        port=link.port,
                        target=link.target,
                    ),
                    headers=headers,
                ) as response,
            ):
                location = _header(response, b"location")
                if response.status not in (301, 302, 303, 307, 308) or not location:
                    yield response
                    return
            link, trusted = _redirected(link, location, rules)
        raise DownloadFailed("The link redirects too often.", permanent=True)
    except httpcore.TimeoutException as error:
        raise DownloadFailed("The download took too long.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise DownloadFailed("The connection failed.") from error


def _redirected(link: _Link, location: str, rules: Rules) -> tuple[_Link, bool]:
    try:
        place = str(httpx.URL(str(link)).join(location)) if _PLAIN.fullmatch(location) else ""
    except (httpx.InvalidURL, ValueError):
        place = ""
    try:
        following, trusted = _permitted(place, rules)
    except HostNotListed as refusal:
        raise HostNotListed(refusal.host, redirected=True) from None
    if link.scheme == "https" and following.scheme == "http":
        raise NotAllowed("The link redirects from https to http.")
    return following, trusted


def _header(response: httpcore.Response, name: bytes) -> str:
    found = (value for key, value in response.headers if key.lower() == name)
    return next(found, b"").decode("utf-8", errors="replace").strip()


def _refused(status: int) -> DownloadFailed:
    # Expired links answer 400, 403, 404 or 410, by vendor; these few are about the moment.
    permanent = 400 <= status < 500 and status not in (408, 421, 423, 425, 429)
    return DownloadFailed(f"The link answers {status}.", status=status, permanent=permanent)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class _PinnedBackend(httpcore.NetworkBackend):
    """Resolve a name once, judge every address of it, and dial one of exactly these."""

    def __init__(self, judge: Callable[[str], bool] | None, resolve: Resolve, ends: float):
        self._judge = judge
        self._resolve = resolve
        self._ends = ends
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = list(self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not in the DNS.") from error
        # One private answer among public ones is how a rebinding name looks: refuse them all.
        if self._judge and not all(self._judge(address) for address in addresses):
            raise NotAllowed(f"{host} leads to an address that is not public.")
        failure: Exception = httpcore.ConnectError(f"{host} has no address.")
        for address in addresses[:MAX_ADDRESSES]:
            try:
                stream = self._sockets.connect_tcp(
                    address,
                    port,
                    timeout=_left(self._ends, httpcore.ConnectTimeout),
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self._ends)
        raise failure


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every step ends with the deadline, so that a drip cannot outlast it."""

    def __init__(self, stream: httpcore.NetworkStream, ends: float):
        self._stream = stream
        self._ends = ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, timeout=_left(self._ends, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout=_left(self._ends, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._ends, httpcore.ConnectTimeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, timeout=left), self._ends)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()


def _left(ends: float, late: type[httpcore.TimeoutException]) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise late("The deadline has passed.")
    return min(left, STEP_SECONDS)
