"""Many open tabs on a real web server, and how long a page takes meanwhile."""

import asyncio
import random
import statistics
import time

from ..support.cookies import cookie_named
from ..support.installation import Installation

TABS = 200
POLL_EVERY = 4.0  # seconds, as a visible tab does
LOADS = 4.0  # pages a second: each tab's member turns to another page about once a minute
SECONDS = 20.0


class Browser:
    """One kept-alive connection of one member."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port, self.cookie = port, cookie
        self.stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, **headers: str) -> tuple[int, float]:
        """The status, and the seconds until the last byte; a connection that was closed meanwhile is made anew."""
        started = time.perf_counter()
        for attempt in (1, 2):
            if self.stream is None:
                self.stream = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                return await self._ask(path, headers), time.perf_counter() - started
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()
                if attempt == 2:
                    raise
        raise AssertionError

    async def _ask(self, path: str, headers: dict[str, str]) -> int:
        assert self.stream
        reader, writer = self.stream
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Cookie: {self.cookie}"]
        lines += ["Accept-Encoding: br", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if length := next((line[15:] for line in head.split("\r\n") if line.startswith("content-length:")), ""):
            await reader.readexactly(int(length))
        if "connection: close" in head:
            self.close()
        return int(head.split(" ", 2)[1])

    def close(self) -> None:
        if self.stream:
            self.stream[1].close()
        self.stream = None


def measure(house: Installation, seconds: float = SECONDS) -> dict:
    """Milliseconds of page loads and polls while the tabs are open, and how much of each there was."""
    visitor = house.visitor()
    cookie = "=".join(cookie_named(visitor.http, "session"))
    return asyncio.run(_measure(house.port, cookie, seconds))


async def _measure(port: int, cookie: str, seconds: float) -> dict:
    chance, loads, polls, odd = random.Random(1), [], [], 0
    newest, ends = 10**9, time.monotonic() + seconds

    async def tab() -> None:
        nonlocal odd
        browser = Browser(port, cookie)
        await asyncio.sleep(chance.uniform(0, POLL_EVERY))
        since = time.time()
        while time.monotonic() < ends:
            path = f"/live/?since={since:.3f}&known=&newest={newest}&top=1"
            status, took = await browser.get(path, hx_request="true")
            since = time.time()
            polls.append(took * 1000)
            odd += status != 204
            await asyncio.sleep(POLL_EVERY - took)
        browser.close()

    async def reader() -> None:
        nonlocal odd
        browser = Browser(port, cookie)
        while time.monotonic() < ends:
            await asyncio.sleep(chance.expovariate(LOADS / 4))
            status, took = await browser.get("/")
            loads.append(took * 1000)
            odd += status != 200
        browser.close()

    await asyncio.gather(*(tab() for _ in range(TABS)), *(reader() for _ in range(4)))
    cuts = {"page": sorted(loads), "poll": sorted(polls)}
    return {
        "tabs": TABS,
        "polls": len(polls),
        "loads": len(loads),
        "unexpected_answers": odd,
        **{f"{name}_median": round(statistics.median(took), 1) for name, took in cuts.items()},
        **{f"{name}_p95": round(took[int(len(took) * 0.95)], 1) for name, took in cuts.items()},
    }
