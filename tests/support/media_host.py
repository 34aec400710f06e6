"""A media host whose answers a test chooses, and attempts to save from it."""

import io
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django.utils import timezone
from PIL import Image

from videos import tasks
from videos.models import Generation

from .factories import a_generation, a_result, running
from .serving import serve

HTML = b"<!DOCTYPE html><title>Sign in</title>"


class Cdn(ThreadingHTTPServer):
    """Serve bytes, or a function that answers the handler, by path; record GET requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.at: dict[str, bytes | Callable] = {}
        self.asked: list[str] = []
        serve(self)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        what = self.server.at.get(self.path)
        if callable(what):
            what(self)
        else:
            self.answer(404 if what is None else 200, what or b"")

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        """Tests need no access log."""


def finished(link: str, **result) -> Generation:
    generation = a_generation()
    generation.claim()
    task_id = str(uuid.uuid4())
    generation.record(running(task_id), "answer")
    generation.record(a_result(task_id, video_url=link, **result), "callback")
    return generation


def attempt(generation: Generation) -> Generation:
    """Save the video now, even if it is not due."""
    Generation.objects.filter(pk=generation.pk, archive="remote").update(archive_at=timezone.now())
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    return generation


def gives(stub, link: str) -> None:
    """Make look-ups of the task return this link."""
    stub.answer = lambda path, body: (
        200,
        {"id": body["id"], "finished_at": 2.0, "response": {"success": True, "state": "completed", "video_url": link}},
    )


def kinds(generation: Generation) -> list[str]:
    return list(generation.events.values_list("kind", flat=True))


def redirects_to(place: str) -> Callable:
    return lambda handler: handler.answer(302, Location=place)


def cuts(data: bytes) -> Callable:
    """Announce more bytes than are sent, then close the connection."""
    return lambda handler: handler.answer(200, data, Content_Length=str(2 * len(data)))


def drips(data: bytes) -> Callable:
    """Send one byte every quarter of a second, so that no single read takes long."""

    def drip(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        try:
            for place in range(len(data)):
                handler.wfile.write(data[place : place + 1])
                time.sleep(0.25)
        except OSError:
            return  # the client has disconnected

    return drip


def a_jpeg(color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), color).save(out, "JPEG")
    return out.getvalue()
