"""What large files cost: saving one of a gigabyte, and a ZIP of two hundred clips."""

import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ..chaos.processes import Tree
from ..support.cookies import cookie_named
from ..support.installation import Installation
from ..support.serving import serve

GIGABYTE = 1024**3
CLIPS, CLIP = 200, 2 * 1024**2
PIECE = b"\0" * (1024 * 1024)


def film(folder: Path) -> bytes:
    """A short MP4 that plays."""
    import av

    path = folder / "film.mp4"
    with av.open(str(path), "w") as container:
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
    """Serves one film, followed by a box of zeros that players skip, so that it is of any size."""

    def __init__(self, head: bytes, size: int) -> None:
        # A box of a 64-bit length: 1, its name, the length.
        rest = size - len(head)
        head += b"\0\0\0\x01free" + rest.to_bytes(8, "big")

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "video/mp4")
                self.send_header("Content-Length", str(size))
                self.end_headers()
                self.wfile.write(head)
                left = size - len(head)
                while left:
                    left -= self.wfile.write(PIECE[: min(left, len(PIECE))])

            def log_message(self, *_) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        serve(self.server)

    def close(self) -> None:
        self.server.shutdown()


SAVE = """
import resource, time, uuid
from videos.jobs.saving import remote_video
from videos.media.saved_videos import save_video
from videos.models import ApiToken, Generation, Member, Submission
ada = Member.objects.get()
token = ApiToken(name="cdn", base_url="{url}")
token.secret = "bench"
token.save()
submission, _ = Submission.objects.open(ada, uuid.uuid4(), 1, prompt="large")
row = submission.generations.get()
Generation.objects.filter(pk=row.pk).update(token=token, state="completed", video_url="{url}/film.mp4")
row.refresh_from_db()
before = resource.getrusage(resource.RUSAGE_SELF)
started = time.perf_counter()
saved = save_video(remote_video(row))
seconds = time.perf_counter() - started
after = resource.getrusage(resource.RUSAGE_SELF)
print(seconds, (after.ru_maxrss - before.ru_maxrss) / 1024, saved.size_bytes)
"""

CLIPS_OF = """
import uuid
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from videos.models import Generation, Member, Submission
ada = Member.objects.get()
for number in range({clips}):
    submission, _ = Submission.objects.open(ada, uuid.uuid4(), 1, prompt=f"clip {{number}}")
    row = submission.generations.get()
    name = default_storage.save(f"videos/{{row.uuid.hex[:2]}}/{{row.uuid}}.mp4", ContentFile(b"x" * {clip}))
    Generation.objects.filter(pk=row.pk).update(
        state="completed", archive="saved", video_file=name, size_bytes={clip}, sha256="0" * 64)
    print(row.uuid)
"""


def by_hand(folder: Path, size: int) -> float:
    """Seconds for as many bytes onto the same disk, with nothing else done."""
    path, started = folder / "by-hand", time.perf_counter()
    with path.open("wb") as file:
        for _ in range(size // len(PIECE)):
            file.write(PIECE)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - started
    path.unlink()
    return seconds


def memory_of(house: Installation) -> float:
    """The most that all processes of the web server have held so far, in MB."""
    tree = Tree(house.process.pid)
    master = tree.program("web")
    most = 0
    for pid in [master, *tree.below(master)]:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        most += next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return most / 1024


def measure(house: Installation, size: int = GIGABYTE) -> dict:
    """Of an installation whose web server runs; seconds and MB."""
    cdn = Cdn(film(house.folder), size)
    try:
        seconds, grown, saved = map(float, house.python(SAVE.format(url=cdn.url)).split())
    finally:
        cdn.close()
    assert saved == size
    disk = by_hand(house.folder, size)
    uuids = house.python(CLIPS_OF.format(clips=CLIPS, clip=CLIP)).split()
    visitor = house.visitor()
    token = cookie_named(visitor.http, "csrf")[1]
    before, got, started = memory_of(house), 0, time.perf_counter()
    fields = {"v": uuids, "csrfmiddlewaretoken": token}
    with visitor.http.stream("POST", "/selection/zip/", data=fields) as answer:
        assert answer.status_code == 200, answer.status_code
        for piece in answer.iter_raw():
            got += len(piece)
    assert got > CLIPS * CLIP
    return {
        "saved_gb_s": round(seconds, 2),
        "written_by_hand_s": round(disk, 2),
        "ratio": round(seconds / disk, 1),
        "memory_grown_mb": round(grown, 1),
        "zip_200_s": round(time.perf_counter() - started, 2),
        "zip_mb": round(got / 1024**2),
        "zip_memory_grown_mb": round(memory_of(house) - before, 1),
    }
