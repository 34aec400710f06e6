"""A sandbox process for tests, somebody who receives its callbacks, and pictures to send it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import httpx
import numpy as np
from PIL import Image

from ..support.installation import NO_AUTHORITIES
from ..support.serving import serve

SERVED = "sandbox"  # a token that works
ROOT = Path(__file__).resolve().parents[2]
ALIKE = 8.0  # mean difference of 0-255 that an encoded picture may have from its original


class Sandbox:
    """A sandbox process of its own on a free port."""

    def __init__(self, data: Path, **settings):
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

    def post(self, path, payload, token=SERVED, **more):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return self.http.post(path, json=payload, headers=headers, **more)

    def make(self, prompt="a quiet valley", **payload):
        return self.post("/luma/videos", {"prompt": prompt, **payload})

    def task(self, task_id, token=SERVED):
        return self.post("/luma/tasks", {"action": "retrieve", "id": task_id}, token).json()

    def finished(self, task_id, seconds=20):
        """The response of a task, as soon as it is final."""
        return self.wait_until_finished(task_id, seconds=seconds)["response"]

    def wait_until_finished(self, task_id, token=SERVED, seconds=20):
        """The task, as soon as it is final."""
        return wait_for(lambda: (task := self.task(task_id, token)).get("finished_at") and task, seconds)

    def submitted(self, prompt="a quiet valley", token=SERVED, **payload):
        """The task id of a request that was answered at once."""
        answer = self.post("/luma/videos", {"prompt": prompt, "async": True, **payload}, token)
        assert answer.status_code == 200, answer.text
        return answer.json()["task_id"]

    def look_up(self, token=SERVED, **payload):
        answer = self.post("/luma/tasks", payload, token)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ledger(self):
        command = [sys.executable, "-m", "videos.sandbox", "--ledger"]
        printed = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in printed.stdout.splitlines()]

    def record(self, task_id):
        """The ledger's line of one task."""
        return next(line for line in self.ledger() if line["task_id"] == task_id)

    def control(self, **change):
        """Change the running process, as its command line does."""
        command = [sys.executable, "-m", "videos.sandbox", "--control", json.dumps(change)]
        subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=True)

    def frames(self, url):
        with av.open(io.BytesIO(self.http.get(url).content)) as film:
            return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]

    def stop(self, sign=signal.SIGTERM):
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(sign)
        self.process.wait(10)
        self.process.stdout.close()


class Listener(ThreadingHTTPServer):
    """Receives callbacks, and hands out pictures; answers a path with the statuses in `answers`, in turn."""

    daemon_threads = True

    def __init__(self):
        self.received, self.raw, self.answers, self.files = [], [], {}, {}
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        serve(self)

    def bodies(self, path):
        return [body for at, path_seen, body, headers in self.received if path_seen == path]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.raw.append((raw, self.path, dict(self.headers)))
            self.server.received.append((time.time(), self.path, json.loads(raw), dict(self.headers)))
            statuses = self.server.answers.get(self.path)
            self.send_response(statuses.pop(0) if statuses else 204)
            self.end_headers()

        def do_GET(self):
            self.send_response(200 if self.path in self.server.files else 404)
            self.end_headers()
            self.wfile.write(self.server.files.get(self.path, b""))

        def log_message(self, *_):
            pass


def wait_for(look, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def difference(one, other):
    return float(np.abs(np.asarray(one, int) - np.asarray(other, int)).mean())


def photo(size, seed):
    """A picture with large shapes, as JPEG bytes."""
    small = np.random.default_rng(seed).integers(0, 255, (3, 4, 3), np.uint8)
    kept = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(kept, "JPEG", quality=95)
    return kept.getvalue()


def fitted(picture, shape):
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB").resize((shape[1], shape[0])))
