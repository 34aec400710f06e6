"""Connect to an address that was checked, and enforce one deadline on every step."""

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from .errors import NotAllowed

MAX_ADDRESSES = 4
STEP_SECONDS = 20.0

Resolver = Callable[[str, int], Iterable[str]]


def resolve_host(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host, without duplicates."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class PinnedBackend(httpcore.NetworkBackend):
    """Resolve a name once, check every address of it, and connect only to one of those.

    is_allowed: None allows every address. deadline: in seconds of the monotonic clock.
    """

    def __init__(self, is_allowed: Callable[[str], bool] | None, resolve: Resolver, deadline: float) -> None:
        self._is_allowed = is_allowed
        self._resolve = resolve
        self._deadline = deadline
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
        # A rebinding name has a private address among public ones, so one private address refuses them all.
        if self._is_allowed and not all(self._is_allowed(address) for address in addresses):
            raise NotAllowed(f"{host} leads to an address that is not public.")
        failure: Exception = httpcore.ConnectError(f"{host} has no address.")
        for address in addresses[:MAX_ADDRESSES]:
            try:
                stream = self._sockets.connect_tcp(
                    address,
                    port,
                    timeout=_remaining(self._deadline, httpcore.ConnectTimeout),
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _DeadlineStream(stream, self._deadline)
        raise failure


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every step ends at the deadline, so that a server that sends slowly cannot outlast it."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, timeout=_remaining(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout=_remaining(self._deadline, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        remaining = _remaining(self._deadline, httpcore.ConnectTimeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, timeout=remaining)
        return _DeadlineStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()


def _remaining(deadline: float, timeout_error: type[httpcore.TimeoutException]) -> float:
    """Return the seconds that the next step may take; raise `timeout_error` after the deadline."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise timeout_error("The deadline has passed.")
    return min(remaining, STEP_SECONDS)
