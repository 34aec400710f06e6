"""Run an installation: web server, django-q2 clusters, ticker and sandbox provider."""

import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import httpx

from . import prepared_data, servers

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct-horse-9"
# For clients that speak to loopback without TLS: loading the authorities takes 17 ms for each client.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def a_free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


class Installation:
    """Started by `start`, stopped by `stop`; `env` is added to the environment of all its processes."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.port, self.sandbox_port = a_free_port(), a_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        ours = ("LUMAWEB_", "SANDBOX_", "DATABASE_URL", "REDIS_URL", "HOST", "PORT", "DJANGO_", "Q_CLUSTER")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.env |= {
            "LUMAWEB_ENV_FILE": "",
            "LUMAWEB_DATA_DIR": str(folder),
            "PORT": str(self.port),
            "SANDBOX_PORT": str(self.sandbox_port),
            "SANDBOX_SCALE": "0.25",
            "SANDBOX_SECONDS": "1.5",
            "LUMAWEB_ADMIN_USERNAME": "ada",
            "LUMAWEB_ADMIN_PASSWORD": PASSWORD,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        if servers.there():
            self.env |= servers.both()
        self.env |= env
        self.process: subprocess.Popen | None = None
        self.is_prepared = False
        self._lines: PythonLines | None = None
        self._one_by_one = threading.Lock()

    def manage(self, *words: str) -> str:
        """Run a management command and return its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        """Run Python inside the product's Django and return its output."""
        if self.process is None or self.process.poll() is not None:
            # The keys of the data directory, which the settings read, may change before the next call.
            return self.manage("shell", "--no-imports", "-v0", "-c", code).strip()
        with self._one_by_one:
            if self._lines is None or not self._lines.serves(self.env):
                self._lines = PythonLines(self.env)
            return self._lines.run(code)

    def migrate(self) -> None:
        """Migrate the database; a test run starts from a copy of the prepared one."""
        file, database = self.folder / "lumaweb.sqlite3", self.env.get("DATABASE_URL")
        self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        if prepared_data.expected() and not database and not file.exists():
            prepared_data.copy_sqlite(file)
        elif prepared_data.expected() and database and servers.is_empty(database):
            prepared_data.copy_postgres(database)
        else:
            self.manage("migrate", "-v0")

    def collect_static_files(self) -> None:
        """Collect the static files; a test run copies the prepared ones if there are none yet."""
        folder = self.folder / "static"
        if prepared_data.expected() and not folder.exists():
            prepared_data.copy_static_files(folder)
        else:
            self.manage("collectstatic", "--noinput", "-v0")

    def start(self, only: tuple[str, ...] = ()) -> "Installation":
        """Start all processes, or these parts of `serve`, and wait until they are ready."""
        if not self.is_prepared:
            self.migrate()
            self.collect_static_files()
            self.is_prepared = True
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", *(("--only", *only) if only else ())],
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
            )
        ready = f"{self.url}/{'healthz' if only else 'readyz'}"
        for _ in range(600):
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended:\n{self.log.read_text()}")
            try:
                if httpx.get(ready, timeout=2, verify=NO_AUTHORITIES, trust_env=False).status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not ready after 60 s:\n{self.log.read_text()}")

    def stop(self) -> None:
        self._lines = None
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(25)

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    def add_member(self, username: str) -> None:
        self.python(
            f"from videos.models import Member\nMember.objects.create_user({username!r}, password={PASSWORD!r})"
        )

    def visitor(self, username: str = "ada") -> "Visitor":
        return Visitor(self.url, username)


class PythonLines:
    """A process of `tests.support.python_runner`, which ends with the last reference to this object."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env.copy()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.python_runner"],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        weakref.finalize(self, _end, self.process)

    def serves(self, env: dict[str, str]) -> bool:
        return self.env == env and self.process.poll() is None

    def run(self, code: str) -> str:
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        assert ready, f"no answer after 60 s: {code}"
        answer = json.loads(self.process.stdout.readline())
        assert not answer["error"], answer["error"]
        return answer["output"].strip()


def _end(process: subprocess.Popen) -> None:
    process.stdin.close()  # its end of file
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


class Visitor:
    """A member with a plain HTTP client, who uses the studio without JavaScript."""

    def __init__(self, url: str, username: str) -> None:
        self.http = httpx.Client(
            base_url=url, follow_redirects=True, timeout=20, verify=NO_AUTHORITIES, trust_env=False
        )
        answer = self.post("/login/", username=username, password=PASSWORD)
        assert answer.url.path == "/", answer.text

    def post(self, path: str, files=None, **fields) -> httpx.Response:
        page = self.http.get("/login/" if path == "/login/" else "/")
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page.text).group(1)
        return self.http.post(path, data=fields | {"csrfmiddlewaretoken": token}, files=files)

    def submit(self, files=None, **fields) -> str:
        """Submit a video as htmx does and return the UUID of the new generation."""
        self.http.headers["HX-Request"] = "true"
        try:
            answer = self.post("/generations/", files=files, **fields)
        finally:
            del self.http.headers["HX-Request"]
        assert answer.status_code == 200, answer.text
        return re.search(r'id="generation-([0-9a-f-]{36})"', answer.text).group(1)

    def state(self, uuid: str) -> str:
        page = self.http.get(f"/generations/{uuid}/")
        return re.search(rf'id="generation-{uuid}"[^>]*data-state="(\w+)"', page.text).group(1)

    def wait_for(self, uuid: str, *states: str, seconds: float = 40) -> str:
        end = time.monotonic() + seconds
        while (state := self.state(uuid)) not in states:
            assert time.monotonic() < end, f"{uuid} is still {state} after {seconds} s"
            time.sleep(0.2)
        return state

    def wait_until_saved(self, uuid: str, seconds: float = 40) -> bytes:
        self.wait_for(uuid, "completed", seconds=seconds)
        end = time.monotonic() + seconds
        while (answer := self.http.get(f"/generations/{uuid}/video")).status_code != 200:
            assert time.monotonic() < end, f"{uuid} is not saved after {seconds} s"
            time.sleep(0.2)
        return answer.content
