"""Derive the addresses of an installation from its variables."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from . import network
from .addresses import LOOPBACK, bracketed
from .variables import addresses, data

# Hosts to listen on all addresses, and the address at which this machine then reaches the server.
ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True)
class Site:
    """The addresses of an installation. A URL that it does not have is ""."""

    host: str
    port: int
    local_url: str
    public_url: str | None  # None if unset: only a provider on this machine can call back
    site_url: str
    allowed_hosts: list[str]
    on_loopback: bool  # nobody else can reach this installation, not even by a proxy on this machine
    ready_urls: list[str]  # for the line “Lumaweb is ready at …”; the best first
    may_generate_keys: bool  # else the environment has to contain the keys

    @property
    def trusted_origins(self) -> list[str]:
        return list(dict.fromkeys(url for url in (self.site_url, self.public_url) if url))


def read_site() -> Site:
    """Return the addresses of this installation. Raises ImproperlyConfigured."""
    host, port = addresses.HOST.value, addresses.PORT.value
    local_url = url_of(ALL_ADDRESSES.get(host, host), port)
    public_url = addresses.PUBLIC_URL.value if addresses.PUBLIC_URL.is_set else None
    site_url = addresses.SITE_URL.value or public_url or ""
    outer_hosts = list(dict.fromkeys(urlsplit(url).hostname or "" for url in (site_url, public_url) if url))
    is_local = _is_local(site_url, public_url or "")
    # At an address on the internet, visitors use its name only, and a proxy passes that on.
    machine = network.find_machine() if is_local and host not in LOOPBACK else network.Machine()
    allowed_hosts = addresses.ALLOWED_HOSTS.value or [
        *("127.0.0.1", "localhost", "[::1]"),
        *([bracketed(host)] if host not in ALL_ADDRESSES else []),
        *outer_hosts,
        *(bracketed(name) for name in machine.hosts_for(host)),
    ]
    on_loopback = {host, *outer_hosts, *(name.strip("[]") for name in allowed_hosts)} <= LOOPBACK
    ready_urls = [local_url]
    if host in ALL_ADDRESSES:
        ready_urls = [*([site_url] if site_url else []), *(url_of(name, port) for name in machine.shown)] or [local_url]
    return Site(
        host=host,
        port=port,
        local_url=local_url,
        public_url=public_url,
        site_url=site_url or (local_url if on_loopback else ""),
        allowed_hosts=list(dict.fromkeys(allowed_hosts)),
        on_loopback=on_loopback,
        ready_urls=list(dict.fromkeys(ready_urls)),
        may_generate_keys=is_local and data.DATABASE_URL.value is None,
    )


def _is_local(site_url: str, public_url: str) -> bool:
    """Return whether the installation is for this machine or its local network, as far as the variables say."""
    is_public = bool(public_url) and (urlsplit(public_url).hostname not in LOOPBACK)
    return not is_public and (not site_url.startswith("https:") or urlsplit(site_url).hostname in LOOPBACK)


def url_of(host: str, port: int) -> str:
    return f"http://{bracketed(host)}:{port}"
