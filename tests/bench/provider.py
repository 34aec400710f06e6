"""A cheap provider: accepts every request after some time, records when each arrived, and never finishes one."""

import asyncio
import json
import threading
import time
import uuid
from typing import Any, Self


class Provider:
    """Listens on a free loopback port from start() to stop(); each response takes `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.port = 0
        self.received: dict[str, float] = {}  # Unix seconds by prompt
        self.accepted: dict[str, float] = {}
        self._seconds = seconds
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = next(
                    int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")
                )
                body = json.loads(await reader.readexactly(length))
                if head.startswith("POST /luma/videos"):
                    response = await self._accept(body)
                else:
                    items = [{"id": task_id} for task_id in body.get("ids", [])]
                    response = {"items": items, "count": len(items)}
                data = json.dumps(response).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data)
                )
                writer.write(data)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _accept(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt = body["prompt"]
        assert prompt not in self.received, f"paid twice: {prompt}"
        self.received[prompt] = time.time()
        await asyncio.sleep(self._seconds)
        self.accepted[prompt] = time.time()
        return {"success": True, "task_id": str(uuid.uuid4())}
