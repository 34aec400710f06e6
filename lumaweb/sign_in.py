"""The configuration of sign-in: an OpenID provider, and proxies that authenticate."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

KNOWN_HOSTS = {
    "accounts.google.com": "Google",
    "gitlab.com": "GitLab",
    "appleid.apple.com": "Apple",
}
KNOWN_DOMAINS = {".okta.com": "Okta", ".auth0.com": "Auth0", ".microsoftonline.com": "Microsoft"}


class OpenIDConnect(NamedTuple):
    """An OpenID provider, without the client secret, so that no error page shows it."""

    issuer: str
    client_id: str
    domains: list[str]
    admin_group: str
    name: str


def name_of(issuer: str) -> str:
    """Return the name to show for the provider at this address: a known product, its host, or SSO for an IP address."""
    host = urlsplit(issuer).hostname or ""
    if host == "localhost" or not re.search("[a-z]", host.rpartition(".")[2]) or ":" in host:
        return "SSO"
    by_domain = next((name for domain, name in KNOWN_DOMAINS.items() if host.endswith(domain)), host)
    return KNOWN_HOSTS.get(host, by_domain)


class AuthProxy(NamedTuple):
    """A header with the name of the member, and the addresses of the proxies that may set it."""

    header: str
    networks: list[IPv4Network | IPv6Network]

    @property
    def meta_name(self) -> str:
        """The header's name in `request.META`."""
        return f"HTTP_{self.header.upper().replace('-', '_')}"

    def trusts(self, peer: str) -> bool:
        """Return whether this address of a connection is that of a proxy."""
        try:
            address: IPv4Address | IPv6Address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)
