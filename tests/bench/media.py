"""The cost of large files: saving a video of one gigabyte, and a ZIP of two hundred videos."""

import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av

from ..chaos.processes import ProcessTree
from ..support.cookies import cookie_named
from ..support.installation import Installation
from ..support.serving import serve

GIGABYTE = 1024**3
VIDEOS, VIDEO_SIZE = 200, 2 * 1024**2
BLOCK = b"\0" * (1024 * 1024)


def measure(installation: Installation, size: int = GIGABYTE) -> dict[str, Any]:
    """Measure an installation whose web server runs; seconds and MB."""
    return {**_measure_saving(installation, size), **_measure_zip(installation)}


def _measure_saving(installation: Installation, size: int) -> dict[str, float]:
    cdn = Cdn(make_video(installation.folder), size)
    try:
        printed = installation.python(
            f"from tests.bench.inside import work\nprint(*work.save_video({cdn.url!r}, {cdn.url + '/video.mp4'!r}))"
        )
    finally:
        cdn.close()
    seconds, growth, saved = map(float, printed.split())
    assert saved == size
    baseline = write_to_disk(installation.folder, size)
    return {
        "saved_gb_s": round(seconds, 2),
        "written_by_hand_s": round(baseline, 2),
        "ratio": round(seconds / baseline, 1),
        "memory_grown_mb": round(growth, 1),
    }


def _measure_zip(installation: Installation) -> dict[str, float]:
    created = installation.python(
        f"from tests.bench.inside import fixtures\nprint(*fixtures.create_saved_videos({VIDEOS}, {VIDEO_SIZE}))"
    )
    visitor = installation.visitor()
    fields = {"v": created.split(), "csrfmiddlewaretoken": cookie_named(visitor.http, "csrf")[1]}
    memory_before, size, started = peak_memory_of_web_server(installation), 0, time.perf_counter()
    with visitor.http.stream("POST", "/selection/zip/", data=fields) as response:
        assert response.status_code == 200, response.status_code
        for chunk in response.iter_raw():
            size += len(chunk)
    assert size > VIDEOS * VIDEO_SIZE
    return {
        "zip_200_s": round(time.perf_counter() - started, 2),
        "zip_mb": round(size / 1024**2),
        "zip_memory_grown_mb": round(peak_memory_of_web_server(installation) - memory_before, 1),
    }


def make_video(folder: Path) -> bytes:
    """Return a short MP4 that plays."""
    path = folder / "short.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=12, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 176, "yuv420p"
        for _ in range(12):
            frame = av.VideoFrame(320, 176, "yuv420p")
            for plane in frame.planes:
                plane.update(b"\x80" * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


class Cdn:
    """Serves one video of any size: a short one, followed by a box of zeros that players skip."""

    def __init__(self, video: bytes, size: int) -> None:
        # An MP4 box with a 64-bit length: 1, its name, the length.
        head = video + b"\0\0\0\x01free" + (size - len(video)).to_bytes(8, "big")

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "video/mp4")
                self.send_header("Content-Length", str(size))
                self.end_headers()
                self.wfile.write(head)
                left = size - len(head)
                while left:
                    left -= self.wfile.write(BLOCK[: min(left, len(BLOCK))])

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        serve(self._server)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def write_to_disk(folder: Path, size: int) -> float:
    """Return the seconds of writing as many bytes to the same disk, with an fsync."""
    path, started = folder / "baseline", time.perf_counter()
    with path.open("wb") as file:
        for _ in range(size // len(BLOCK)):
            file.write(BLOCK)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - started
    path.unlink()
    return seconds


def peak_memory_of_web_server(installation: Installation) -> float:
    """Return the peak resident memory of all its processes so far, in MB."""
    assert installation.process is not None
    tree = ProcessTree(installation.process.pid)
    master = tree.program("web")
    assert master is not None
    kilobytes = 0
    for pid in [master, *tree.descendants(master)]:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return kilobytes / 1024
