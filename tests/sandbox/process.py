"""A sandbox process for tests, a receiver of its callbacks, and pictures to send."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import av
import httpx
import numpy as np
from PIL import Image

from ..support.installation import NO_AUTHORITIES
from ..support.serving import serve

VALID_TOKEN = "sandbox"
ROOT = Path(__file__).resolve().parents[2]
ENCODING_DIFFERENCE = 8.0  # mean difference, of 0 to 255, between a picture and its encoded copy

T = TypeVar("T")
Payload = dict[str, Any]


class Sandbox:
    """A sandbox process on a free port; settings are its SANDBOX_* variables in lower case."""

    def __init__(self, data: Path, **settings: object) -> None:
        self.data = data
        env = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
        env |= {
            "SANDBOX_PORT": "0",
            "SANDBOX_SCALE": "0.12",
            "SANDBOX_SECONDS": "0.2",
            "LUMAWEB_DATA_DIR": str(data),
        }
        self.env = env | {f"SANDBOX_{name.upper()}": str(value) for name, value in settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "videos.sandbox"],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self.process.stdout.readline().split()[-1]
        self.http = httpx.Client(base_url=self.url, timeout=30, verify=NO_AUTHORITIES, trust_env=False)

    def post(self, path: str, payload: Payload, token: str | None = VALID_TOKEN, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return self.http.post(path, json=payload, headers=headers, **options)

    def request_video(self, prompt: str = "a quiet valley", **payload: Any) -> httpx.Response:
        return self.post("/luma/videos", {"prompt": prompt, **payload})

    def submit(self, prompt: str = "a quiet valley", token: str = VALID_TOKEN, **payload: Any) -> str:
        """Request a video without waiting for it; return the task id."""
        response = self.post("/luma/videos", {"prompt": prompt, "async": True, **payload}, token)
        assert response.status_code == 200, response.text
        return response.json()["task_id"]

    def task(self, task_id: str, token: str = VALID_TOKEN) -> Payload:
        return self.post("/luma/tasks", {"action": "retrieve", "id": task_id}, token).json()

    def wait_for_task(self, task_id: str, token: str = VALID_TOKEN, seconds: float = 20) -> Payload:
        """Return a task as soon as it is finished."""
        return wait_for(lambda: (task := self.task(task_id, token)).get("finished_at") and task, seconds)

    def wait_for_response(self, task_id: str, seconds: float = 20) -> Payload:
        """Return the response of a task as soon as it is finished."""
        return self.wait_for_task(task_id, seconds=seconds)["response"]

    def look_up(self, token: str = VALID_TOKEN, **payload: Any) -> Payload:
        response = self.post("/luma/tasks", payload, token)
        assert response.status_code == 200, response.text
        return response.json()

    def ledger(self) -> list[Payload]:
        command = [sys.executable, "-m", "videos.sandbox", "--ledger"]
        printed = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in printed.stdout.splitlines()]

    def ledger_line(self, task_id: str) -> Payload:
        return next(line for line in self.ledger() if line["task_id"] == task_id)

    def control(self, **change: object) -> None:
        """Change the running process by its command line."""
        command = [sys.executable, "-m", "videos.sandbox", "--control", json.dumps(change)]
        subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=True)

    def frames(self, url: str) -> list[np.ndarray]:
        """Download a video and decode all its frames."""
        with av.open(io.BytesIO(self.http.get(url).content), format="mp4") as container:
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(sign)
        self.process.wait(10)
        self.process.stdout.close()


class CallbackReceiver(ThreadingHTTPServer):
    """Receives callbacks and serves `files`; answers a path with its `statuses` in turn, then with 204."""

    daemon_threads = True

    def __init__(self) -> None:
        self.received: list[tuple[float, str, Payload, dict[str, str]]] = []  # time, path, body, headers
        self.raw: list[tuple[bytes, str, dict[str, str]]] = []  # body, path, headers
        self.statuses: defaultdict[str, list[int]] = defaultdict(list)
        self.files: dict[str, bytes] = {}
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        serve(self)

    def bodies(self, path: str) -> list[Payload]:
        return [body for _, received_path, body, _ in self.received if received_path == path]

    class Handler(BaseHTTPRequestHandler):
        server: "CallbackReceiver"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.raw.append((raw, self.path, dict(self.headers)))
            self.server.received.append((time.time(), self.path, json.loads(raw), dict(self.headers)))
            statuses = self.server.statuses[self.path]
            self.send_response(statuses.pop(0) if statuses else 204)
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200 if self.path in self.server.files else 404)
            self.end_headers()
            self.wfile.write(self.server.files.get(self.path, b""))

        def log_message(self, *_: object) -> None:
            pass


def wait_for(look: Callable[[], T], seconds: float = 20) -> T:
    """Call a function until its result is true; return the result."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"it did not happen within {seconds} s")


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean difference of two pictures, from 0 to 255."""
    return float(np.abs(np.asarray(one, int) - np.asarray(other, int)).mean())


def photo(size: tuple[int, int], seed: int) -> bytes:
    """Return a JPEG with large shapes."""
    shapes = np.random.default_rng(seed).integers(0, 255, (3, 4, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(shapes).resize(size, Image.Resampling.BICUBIC).save(encoded, "JPEG", quality=95)
    return encoded.getvalue()


def resized(picture: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Decode a picture at the size of an array."""
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB").resize((shape[1], shape[0])))
