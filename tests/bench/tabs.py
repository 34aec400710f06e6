"""Many open tabs on a real web server, and how long a page takes meanwhile."""

import asyncio
import random
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from ..support.cookies import cookie_named
from ..support.installation import Installation

TABS = 200
POLL_SECONDS = 4.0  # between two polls of a visible tab
PAGES_PER_SECOND = 4.0  # each tab's member opens another page about once a minute
READERS = 4  # connections that share these pages
SECONDS = 20.0
NEWEST = 10**9  # no generation is newer: every poll is idle


def measure(installation: Installation, seconds: float = SECONDS) -> dict[str, Any]:
    """Return milliseconds of pages and polls while the tabs are open, and the number of each."""
    visitor = installation.visitor()
    cookie = "=".join(cookie_named(visitor.http, "session"))
    tabs = Tabs(installation.port, cookie, time.monotonic() + seconds)
    asyncio.run(tabs.run())
    return {
        "tabs": TABS,
        "polls": len(tabs.polls_ms),
        "loads": len(tabs.pages_ms),
        "unexpected_answers": tabs.unexpected_statuses,
        **_statistics("page", tabs.pages_ms),
        **_statistics("poll", tabs.polls_ms),
    }


def _statistics(name: str, milliseconds: list[float]) -> dict[str, float]:
    ordered = sorted(milliseconds)
    return {
        f"{name}_median": round(statistics.median(ordered), 1),
        f"{name}_p95": round(ordered[int(len(ordered) * 0.95)], 1),
    }


class Client:
    """One kept-alive connection of one member."""

    def __init__(self, port: int, cookie: str) -> None:
        self._port, self._cookie = port, cookie
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, **headers: str) -> tuple[int, float]:
        """Return status and seconds until the last byte; reconnect once if the server closed the connection."""
        started = time.perf_counter()
        try:
            status = await self._get(path, headers)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            status = await self._get(path, headers)
        return status, time.perf_counter() - started

    async def _get(self, path: str, headers: dict[str, str]) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{self._port}", f"Cookie: {self._cookie}"]
        lines += ["Accept-Encoding: br", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if length := next((line[15:] for line in head.split("\r\n") if line.startswith("content-length:")), ""):
            await reader.readexactly(int(length))
        if "connection: close" in head:
            self.close()
        return int(head.split(" ", 2)[1])

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
        self._streams = None


@dataclass
class Tabs:
    """Tabs that poll and readers that open pages until a deadline (monotonic seconds)."""

    port: int
    cookie: str
    deadline: float
    polls_ms: list[float] = field(default_factory=list)
    pages_ms: list[float] = field(default_factory=list)
    unexpected_statuses: int = 0
    _rng: random.Random = field(default_factory=lambda: random.Random(1))

    async def run(self) -> None:
        await asyncio.gather(*(self._poll() for _ in range(TABS)), *(self._read() for _ in range(READERS)))

    async def _poll(self) -> None:
        client = Client(self.port, self.cookie)
        await asyncio.sleep(self._rng.uniform(0, POLL_SECONDS))
        since = time.time()
        while time.monotonic() < self.deadline:
            path = f"/live/?since={since:.3f}&known=&newest={NEWEST}&top=1"
            status, seconds = await client.get(path, hx_request="true")
            since = time.time()
            self.polls_ms.append(seconds * 1000)
            self.unexpected_statuses += status != 204
            await asyncio.sleep(POLL_SECONDS - seconds)
        client.close()

    async def _read(self) -> None:
        client = Client(self.port, self.cookie)
        while time.monotonic() < self.deadline:
            await asyncio.sleep(self._rng.expovariate(PAGES_PER_SECOND / READERS))
            status, seconds = await client.get("/")
            self.pages_ms.append(seconds * 1000)
            self.unexpected_statuses += status != 200
        client.close()
