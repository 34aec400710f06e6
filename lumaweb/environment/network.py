"""Names and addresses of this machine on its local network, found without sending anything."""

import ipaddress
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import ifaddr

from .addresses import is_host

# Bridges and tunnels for containers and virtual machines, which other machines do not reach.
_INNER_INTERFACES = re.compile(r"(?:docker|br-|veth|virbr|cni|flannel|cali|lxc|lxd|podman|vmnet|vboxnet)")
# Addresses for documentation. Nothing is sent to them: the system only says from which address it would send.
_DOCUMENTATION_ADDRESSES = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
MAX_SHOWN = 4


@dataclass(frozen=True)
class Machine:
    """This machine, as others reach it.

    `addresses` are those of all interfaces but loopback, the most useful first. `names` are those by which others may
    know it. `inner` are the addresses that only containers and virtual machines reach.
    """

    addresses: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    inner: frozenset[str] = frozenset()

    def hosts_for(self, listening: str) -> list[str]:
        """Return the hosts by which a server that listens on this address can be reached."""
        if listening in ("0.0.0.0", "::"):
            return [*self.addresses, *self.names]
        return self.names if listening in self.addresses else []

    @property
    def shown(self) -> list[str]:
        """The hosts to show to people."""
        outer = [address for address in self.addresses if address not in self.inner]
        version_4 = [address for address in outer if ":" not in address]
        local_names = [name for name in self.names if "." in name]
        return [*(version_4 or outer)[:MAX_SHOWN], *local_names[:1]] if outer else []


def find_machine(resolver: Path = Path("/etc/resolv.conf")) -> Machine:
    """Return the names and addresses of this machine."""
    found = dict(_interface_addresses())
    preferred = [address for family in _DOCUMENTATION_ADDRESSES if (address := _outgoing_address(family)) in found]
    return Machine(
        addresses=sorted(found, key=lambda address: (address not in preferred, found[address], ":" in address)),
        names=list(_names(socket.gethostname(), resolver)),
        inner=frozenset(address for address, is_inner in found.items() if is_inner),
    )


def _interface_addresses() -> Iterator[tuple[str, bool]]:
    """Yield each address, and whether only containers and virtual machines reach it."""
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            text = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            address = ipaddress.ip_address(text.partition("%")[0])
            # A link-local address needs the name of the visitor's interface, which no Host header contains.
            if not address.is_loopback and not (address.version == 6 and address.is_link_local):
                yield str(address), bool(_INNER_INTERFACES.match(adapter.name))


def _outgoing_address(family: socket.AddressFamily) -> str:
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((_DOCUMENTATION_ADDRESSES[family], 9))  # a datagram socket only looks up the route
        return str(probe.getsockname()[0])
    return ""


def _names(host_name: str, resolver: Path) -> Iterator[str]:
    """Yield the host name, and with it the names that routers and multicast DNS make of it."""
    host_name = host_name.lower().rstrip(".")
    short = host_name.partition(".")[0]
    if not is_host(host_name) or short == "localhost":
        return
    domains = ["local"]
    with suppress(OSError, UnicodeDecodeError):
        for line in resolver.read_text().splitlines():
            if line.split()[:1] in (["search"], ["domain"]):
                domains += [domain for domain in line.lower().split()[1:] if is_host(domain)]
    yield from dict.fromkeys([host_name, *([short] if short else []), *(f"{short}.{domain}" for domain in domains)])
