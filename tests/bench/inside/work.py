"""Work of the product that is timed in a separate process."""

import json
import resource
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from videos.jobs import polling, sweep
from videos.jobs.saving import remote_video
from videos.media.saved_videos import save_video as save_remote_video

from ...support.serving import serve
from .fixtures import create_unsaved

KIB_PER_MIB = 1024


class RunningTasks(BaseHTTPRequestHandler):
    """Answers a look-up of several tasks: all are still in progress."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        ids = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["ids"]
        body = json.dumps({"items": [{"id": task_id} for task_id in ids], "count": len(ids)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def sweep_and_poll(number: int, provider_port: int) -> tuple[float, float]:
    """Return the seconds of one sweep, and those of looking up some tasks once."""
    server = ThreadingHTTPServer(("127.0.0.1", provider_port), RunningTasks)
    serve(server)
    try:
        started = time.perf_counter()
        sweep.sweep()
        swept = time.perf_counter()
        looked_up = 0
        while looked_up < number and (more := polling.poll()):
            looked_up += more
        return swept - started, time.perf_counter() - swept
    finally:
        server.shutdown()
        server.server_close()


def save_video(base_url: str, video_url: str) -> tuple[float, float, int]:
    """Return the seconds of saving one video, the growth of this process in MiB, and the bytes saved."""
    generation = create_unsaved(base_url, video_url)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    saved = save_remote_video(remote_video(generation))
    seconds = time.perf_counter() - started
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return seconds, growth / KIB_PER_MIB, saved.size_bytes
