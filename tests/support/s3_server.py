"""Run rclone's S3 server over a folder. It checks signatures and expires links.

It stands behind a relay of ours, which keeps its port while it is dead, and mends the one point in which it is no S3:
a range it answers with the right bytes and the right Content-Range, but with 200, and no browser can seek in that.
"""

import http.client
import os
import re
import shutil
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .serving import serve

ACCESS_KEY, SECRET_KEY = "AKLUMAWEBTEST", "a-secret-of-no-worth"
BUCKET = "films"
PIECE = 256 * 1024
NOT_PASSED_ON = {"expect", "connection", "transfer-encoding", "keep-alive"}


class S3Server:
    """Started by `start`, ended by `stop`, started again; what is in the bucket is in `folder` / BUCKET.

    asked: (method, path without its query) of every request, in their order. dies_after: bytes of an answer or of a
    body after which it is killed, None: never.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder.parent / f"{folder.name}.log"
        self.process: subprocess.Popen | None = None
        self.rclone_port = 0
        self.asked: list[tuple[str, str]] = []
        self.dies_after: int | None = None
        (folder / BUCKET).mkdir(parents=True)
        self.relay = _RelayServer(("127.0.0.1", 0), _Relay)
        self.relay.s3 = self
        self.port = self.relay.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        serve(self.relay)

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of an installation that uses this server."""
        return {
            "LUMAWEB_S3_BUCKET": BUCKET,
            "LUMAWEB_S3_ENDPOINT": self.url,
            "LUMAWEB_S3_ACCESS_KEY": ACCESS_KEY,
            "LUMAWEB_S3_SECRET_KEY": SECRET_KEY,
        }

    @property
    def is_alive(self) -> bool:
        return bool(self.process and self.process.poll() is None)

    def start(self) -> "S3Server":
        beside = Path(sys.executable).parent / "rclone"
        program = str(beside) if beside.exists() else shutil.which("rclone")
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [program, "serve", "s3", "--config", os.devnull, "--addr", "127.0.0.1:0", str(self.folder)],
                # By the environment, as a command line is anybody's to read; CSV, as rclone wants it.
                env={"HOME": str(self.folder.parent), "RCLONE_AUTH_KEY": f'"{ACCESS_KEY},{SECRET_KEY}"'},
                stdout=log,
                stderr=log,
            )
        for _ in range(600):
            said = self.log.read_text()[before:]
            if found := re.search(r"Starting s3 server on \[http://127\.0\.0\.1:(\d+)/\]", said):
                self.rclone_port = int(found[1])
                return self
            assert self.process.poll() is None, said
            time.sleep(0.05)
        raise AssertionError(f"the S3 server does not listen after 30 s:\n{said}")

    def stop(self) -> None:
        """Kill the server at once, like a failing machine."""
        if self.process:
            self.process.kill()
            self.process.wait(10)

    def close(self) -> None:
        self.stop()
        self.relay.shutdown()
        self.relay.server_close()

    def passed(self, size: int) -> None:
        """Count the bytes until the server dies."""
        if self.dies_after is not None:
            self.dies_after -= size
            if self.dies_after < 0:
                self.dies_after = None
                self.stop()


class _RelayServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address) -> None:
        """Ignore clients that hang up."""


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else head and body of a small answer come 40 ms apart

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        s3 = self.server.s3
        s3.asked.append((self.command, self.path.partition("?")[0]))
        try:
            self._pass_on(s3)
        except (OSError, http.client.HTTPException):
            # As with a connection to a machine that has just died.
            self.close_connection = True

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def _pass_on(self, s3: S3Server) -> None:
        if not s3.is_alive:
            raise ConnectionError
        there = http.client.HTTPConnection("127.0.0.1", s3.rclone_port, timeout=30)
        try:
            # The host of the request: it is part of the signature.
            there.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in NOT_PASSED_ON:
                    there.putheader(name, value)
            there.endheaders()
            left = int(self.headers.get("Content-Length") or 0)
            while left:
                piece = self.rfile.read(min(PIECE, left))
                if not piece:
                    raise ConnectionError
                there.send(piece)
                left -= len(piece)
                s3.passed(len(piece))
            answer = there.getresponse()
            status = 206 if answer.status == 200 and answer.getheader("Content-Range") else answer.status
            self.send_response_only(status)
            for name, value in answer.getheaders():
                if name.lower() not in NOT_PASSED_ON:
                    self.send_header(name, value)
            if answer.getheader("Content-Length") is None and self.command != "HEAD":
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            left = 0 if self.command == "HEAD" else int(answer.getheader("Content-Length") or PIECE)
            while left > 0 and (piece := answer.read(PIECE)):
                self.wfile.write(piece)
                left -= len(piece) if answer.getheader("Content-Length") else 0
                s3.passed(len(piece))
            if left and answer.getheader("Content-Length"):
                raise ConnectionError  # it died over it
        finally:
            there.close()
