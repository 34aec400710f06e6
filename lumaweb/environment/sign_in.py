"""Parse the values of sign-in: OpenID Connect, and a proxy that authenticates. Each function raises Invalid."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from .addresses import LOOPBACK
from .values import words
from .variable import Invalid

DISCOVERY_PATH = "/.well-known/openid-configuration"
ISSUER_EXAMPLE = "the issuer of your identity provider, such as https://login.example.com/realms/team"
HEADER_EXAMPLE = "the header in which the proxy names the member, with dashes, such as Remote-User"
# Headers that every client or proxy sends for another purpose.
COMMON_HEADERS = {
    "authorization", "cookie", "host", "origin", "referer", "user-agent", "accept", "accept-encoding", "connection",
    "accept-language", "content-length", "content-type", "x-csrftoken", "x-request-id", "x-real-ip", "forwarded", "via",
    "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
}  # fmt: skip
# Prefix lengths; a wider network includes strangers. A company's public IPv6 network is narrower, such as a CDN's /28.
MIN_PREFIX, MIN_PUBLIC_IPV6_PREFIX = 8, 24


def issuer(value: str) -> str:
    """Parse the address of an OpenID provider, "" if empty. Its last slash stays: some providers compare it."""
    if not value:
        return ""
    if value.rstrip("/").endswith(DISCOVERY_PATH):
        raise Invalid(value.rstrip("/").removesuffix(DISCOVERY_PATH), "is the address of the discovery document")
    try:
        parts = urlsplit(value)
        is_valid_port = parts.port != 0
    except ValueError:
        raise Invalid(ISSUER_EXAMPLE) from None
    is_address = parts.scheme in ("http", "https") and parts.hostname and is_valid_port and "@" not in parts.netloc
    if not is_address or parts.query or parts.fragment or re.search(r"[\s\"'`]", value):
        raise Invalid(ISSUER_EXAMPLE, "is not an address" if not is_address else "has more than a host and a path")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise Invalid(f"https{value[4:]}", "has no TLS, so anyone on the network could sign in as any member")
    return value


def client_id(value: str) -> str:
    if re.search(r"\s", value):
        raise Invalid("the client ID that the identity provider shows for Lumaweb", "has spaces")
    return value


def client_secret(value: str) -> str:
    if re.search(r"[\s\"'`“”‘’]", value):
        raise Invalid("the client secret exactly as the identity provider shows it", "has spaces or quotes")
    return value


def domains(value: str) -> list[str]:
    """Parse domains of email addresses, in lower case."""
    found = [word.removeprefix("@").lower().rstrip(".") for word in words(value)]
    for domain in found:
        if not re.fullmatch(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", domain):
            raise Invalid(
                "the domains of your team's email addresses, separated by commas, such as example.com,example.org",
                f"has {domain!r} in it",
            )
    return found


def header(value: str) -> str:
    """Parse the name of a header; "" if empty."""
    if value and not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*", value):
        raise Invalid(HEADER_EXAMPLE, "has an underscore, which proxies drop" if "_" in value else "")
    if value.lower() in COMMON_HEADERS or value.lower().startswith("sec-"):
        raise Invalid(HEADER_EXAMPLE, "has another meaning")
    return value


def networks(value: str) -> list[IPv4Network | IPv6Network]:
    """Parse IP addresses and networks."""
    return [_network(word) for word in words(value)]


def _network(word: str) -> IPv4Network | IPv6Network:
    remedy = "IP addresses or networks of the proxies, separated by commas, such as 10.0.0.5,10.1.0.0/24"
    try:
        network = ip_network(word)
    except ValueError as error:
        has_host_bits = "has host bits set" in str(error)
        exact = f"{ip_network(word, strict=False)} or {word.partition('/')[0]}" if has_host_bits else remedy
        raise Invalid(exact, f"has {word!r} in it, which is neither an address nor a network") from None
    if isinstance(network, IPv6Network) and (mapped := network.network_address.ipv4_mapped):
        # AuthProxy compares such a connection by its IPv4 address.
        exact = str(mapped) if network.prefixlen == 128 else f"{mapped}/{network.prefixlen - 96}"
        raise Invalid(exact, f"has {word!r} in it, an IPv4 address in the form of IPv6, which no connection matches")
    is_public_ipv6 = network.version == 6 and not network.is_private
    if network.prefixlen < (MIN_PUBLIC_IPV6_PREFIX if is_public_ipv6 else MIN_PREFIX):
        raise Invalid(remedy, f"has {word!r} in it, which includes the addresses of strangers")
    return network
