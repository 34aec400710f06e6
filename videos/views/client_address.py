"""The IP address that failed attempts are counted by."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """From where somebody asks: what the trusted proxies saw, and never what the client says of itself.

    Each proxy adds the address it was reached from at the end of X-Forwarded-For, so with N of them the Nth from the
    end is the last that nobody outside could write. Without any, only the connection counts.
    """
    hops = settings.TRUSTED_PROXIES
    said = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    claimed = _counted(said[-hops]) if hops and len(said) >= hops else ""
    return claimed or _counted(request.META.get("REMOTE_ADDR", "")) or "127.0.0.1"


def _counted(said: str) -> str:
    """An address as it is counted, "" for what is none; of IPv6 the network, as whoever has one has 2**64 addresses."""
    try:
        address: IPv4Address | IPv6Address = ip_address(said.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False).network_address)
    return str(address)
