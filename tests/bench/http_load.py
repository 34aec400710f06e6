"""Many requests over a few connections, from one thread that costs little processor time."""

import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

BUFFER_SIZE = 1 << 16


@dataclass
class Connection:
    """One kept-alive connection, with the response to its current request as far as it has been received."""

    socket: socket.socket
    sent_at: float = 0.0
    received: bytes = b""


@dataclass
class Outcome:
    """Seconds of each response in the order of arrival, their statuses, and the seconds of all together."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def percentile_ms(self, percent: float) -> float:
        ordered = sorted(self.latencies)
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000, 1)


def build_post(host: str, port: int, path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send_all(port: int, requests: Iterator[bytes], connections: int, timeout: float = 60.0) -> Outcome:
    """Send each request once, on connections that wait for each response; raise TimeoutError if none arrives."""
    outcome = Outcome()
    idle = deque(_connect(port) for _ in range(connections))
    started = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        while True:
            while idle and (request := next(requests, None)) is not None:
                _send(selector, idle.popleft(), request)
            if not selector.get_map():
                break
            events = selector.select(timeout)
            if not events:
                raise TimeoutError(f"no response within {timeout} s")
            for key, _ in events:
                if _receive(key.data, outcome):
                    selector.unregister(key.fileobj)
                    idle.append(_reusable(key.data, port))
    outcome.seconds = time.perf_counter() - started
    for connection in idle:
        connection.socket.close()
    return outcome


def _connect(port: int) -> Connection:
    return Connection(socket.create_connection(("127.0.0.1", port)))


def _send(selector: selectors.BaseSelector, connection: Connection, request: bytes) -> None:
    connection.received, connection.sent_at = b"", time.perf_counter()
    connection.socket.sendall(request)
    selector.register(connection.socket, selectors.EVENT_READ, connection)


def _receive(connection: Connection, outcome: Outcome) -> bool:
    """Receive what there is; return whether the response is complete, or the connection closed."""
    chunk = connection.socket.recv(BUFFER_SIZE)
    connection.received += chunk
    if chunk and not _is_complete(connection.received):
        return False
    outcome.latencies.append(time.perf_counter() - connection.sent_at)
    outcome.statuses[_status(connection.received)] += 1
    return True


def _reusable(connection: Connection, port: int) -> Connection:
    """Return the connection, or a new one if the server closes it."""
    if _is_complete(connection.received) and b"connection: close" not in connection.received.lower():
        return connection
    connection.socket.close()
    return _connect(port)


def _status(response: bytes) -> int:
    """Return the status of a response, 0 for an empty one."""
    return int(response.split(b" ", 2)[1]) if response else 0


def _is_complete(response: bytes) -> bool:
    head, separator, body = response.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.lower().split(b"\r\n")[1:]:
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return _status(head) in (204, 304)
