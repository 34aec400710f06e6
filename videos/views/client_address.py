"""The client's IP address."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the address that failed attempts are counted by: what the trusted proxies saw, never what the client says.

    Each proxy appends the address of its peer to X-Forwarded-For, so with N proxies the Nth from the end is the last
    that no client could write. Without a proxy only the connection counts.
    """
    hops = settings.TRUSTED_PROXIES
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    seen_by_proxy = _normalize(forwarded[-hops]) if hops and len(forwarded) >= hops else ""
    return seen_by_proxy or _normalize(request.META.get("REMOTE_ADDR", "")) or "127.0.0.1"


def _normalize(text: str) -> str:
    """Return an address, of IPv6 its /64 network, as a client may have 2**64 addresses; "" if it is invalid."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False).network_address)
    return str(address)
