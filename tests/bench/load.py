"""Many requests over a few connections, by one thread that costs little, so that the server is what is measured."""

import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Line:
    """One kept-alive connection and the request that is under way on it."""

    sock: socket.socket
    since: float = 0.0
    got: bytes = b""


@dataclass
class Outcome:
    """Seconds each answer took, in order of arrival, by status; seconds all took together."""

    took: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0

    def share(self, of: float) -> float:
        return sorted(self.took)[min(len(self.took) - 1, int(len(self.took) * of))]


def post(host: str, port: int, path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def run(port: int, requests: Iterator[bytes], connections: int, patience: float = 60.0) -> Outcome:
    """Send each request once, the next on a connection when the answer before it is whole. Raises TimeoutError."""
    outcome = Outcome()
    with selectors.DefaultSelector() as selector:
        idle = deque(Line(socket.create_connection(("127.0.0.1", port))) for _ in range(connections))
        busy = 0
        started = time.perf_counter()
        more = True
        while more or busy:
            while more and idle:
                line = idle.popleft()
                request = next(requests, None)
                if request is None:
                    more = False
                    line.sock.close()
                    break
                line.got, line.since = b"", time.perf_counter()
                line.sock.sendall(request)
                selector.register(line.sock, selectors.EVENT_READ, line)
                busy += 1
            if not busy:
                break
            events = selector.select(patience)
            if not events:
                raise TimeoutError(f"no answer within {patience} s")
            for key, _ in events:
                line = key.data
                piece = line.sock.recv(65536)
                line.got += piece
                if piece and not _is_whole(line.got):
                    continue
                outcome.took.append(time.perf_counter() - line.since)
                status = int(line.got.split(b" ", 2)[1]) if line.got else 0
                outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
                selector.unregister(line.sock)
                busy -= 1
                if not piece or b"connection: close" in line.got.lower():
                    line.sock.close()
                    line.sock = socket.create_connection(("127.0.0.1", port))
                idle.append(line)
        outcome.seconds = time.perf_counter() - started
        for line in idle:
            line.sock.close()
    return outcome


def _is_whole(got: bytes) -> bool:
    head, found, body = got.partition(b"\r\n\r\n")
    if not found:
        return False
    for name in head.lower().split(b"\r\n")[1:]:
        if name.startswith(b"content-length:"):
            return len(body) >= int(name.partition(b":")[2])
    return head.split(b" ", 2)[1] in (b"204", b"304")
