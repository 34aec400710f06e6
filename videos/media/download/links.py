"""Parse links and IP addresses, and tell whether they lead to the public internet. Nothing is resolved here."""

import ipaddress
import re
import socket
from dataclasses import dataclass

import httpx

from .errors import NotAllowed

Origin = tuple[str, str, int]  # scheme, host, port
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORTS = {"http": 80, "https": 443}

# The rules and the connection use one parsed form of a link. What two parsers could read differently is refused.
_PLAIN_LINK = re.compile(r"[^\s\\\x00-\x20\x7f\ud800-\udfff]+")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|[0-9a-f:.]+:[0-9a-f:.]*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# Endings that the public DNS does not have; they are used inside networks only.
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
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# IPv6 addresses that end in an IPv4 address: mapped ones, and NAT64, by which an IPv6-only network reaches IPv4 hosts.
_EMBEDDING_IPV4 = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
# Special, though some versions of `ipaddress` call them global: IETF assignments, 6to4 and its relays,
# Teredo and its neighbours, documentation.
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20")
)


@dataclass(frozen=True, slots=True)
class Link:
    """A parsed http(s) link; host is lower-case, IDNA, without a trailing dot; target is path and query."""

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
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target.decode('ascii')}"

    def join(self, location: str) -> str:
        """Resolve the Location header of a redirect; return "" if it is not a link."""
        try:
            return str(httpx.URL(str(self)).join(location)) if _PLAIN_LINK.fullmatch(location) else ""
        except (httpx.InvalidURL, ValueError):
            return ""


def parse_link(url: str) -> Link:
    """Parse an http(s) link; raise NotAllowed."""
    if not _PLAIN_LINK.fullmatch(url):
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
    number = DEFAULT_PORTS[scheme] if port is None else port
    if not 1 <= number <= 65535:
        raise NotAllowed("This link names no port.")
    return Link(scheme, name, number, target or b"/")


def origin_of(url: str) -> Origin:
    """Return scheme, host (lower-case, IDNA, without a trailing dot) and port; raise NotAllowed."""
    return parse_link(url).origin


def check_public_host(url: str, origins: frozenset[Origin] = frozenset()) -> str:
    """Return a sentence that says why the provider cannot reach a link, or "" if nothing shows that.

    The name is not resolved: that would tell strangers what a member types, and prove nothing about later.
    """
    try:
        link = parse_link(url)
        if link.origin in origins:
            return ""
        address = _parse_ip_host(link.host)
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


def is_public_address(ip: str | IpAddress) -> bool:
    """Tell whether an address belongs to the public internet; False for what is not an address."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _EMBEDDING_IPV4):
            return is_public_address(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        # Only 2000::/3 is assigned; every other address is local, reserved or for a transition mechanism.
        if address not in _GLOBAL_UNICAST or address.scope_id:
            return False
    elif address.is_multicast or address.is_reserved:
        return False
    return address.is_global and not any(
        address in network for network in _SPECIAL if network.version == address.version
    )


def matches_host(pattern: str, host: str) -> bool:
    """Tell whether a pattern of the rules covers a host; one that starts with a dot covers subdomains only."""
    pattern = pattern.strip().lower().removesuffix(".")
    name = pattern.removeprefix(".")
    if not name.isascii():
        try:
            name = origin_of(f"https://{name}/")[1]
        except NotAllowed:
            return False
    return host.endswith(f".{name}") if pattern.startswith(".") else host == name


def _parse_ip_host(host: str) -> IpAddress | None:
    """Parse a host that is an address, in any spelling that a resolver takes (127.1, 0x7f000001); else None."""
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
