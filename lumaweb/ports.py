"""Reserve the ports of this installation before a start changes anything."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured


@contextmanager
def reserve_port(host: str, port: int, variable: str) -> Iterator[None]:
    """Listen on a port until the server it belongs to starts, so that no other process can.

    `variable` is the environment variable that sets the port. Raises ImproperlyConfigured if the port is in use or the
    host is not an address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError:
        raise ImproperlyConfigured(f"HOST is {host!r}, which is not an address of this machine.") from None
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            # SO_REUSEADDR lets others bind a port unless a socket listens on it.
            listener.listen()
        except OSError as error:
            raise ImproperlyConfigured(
                f"Cannot listen on {host} port {port}: {error.strerror}. Perhaps another Lumaweb is running; "
                f"stop it, or set {variable} to another number."
            ) from None
        yield
