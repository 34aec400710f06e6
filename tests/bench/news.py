"""How news is taken in.

Callbacks: as many different ones by 8 connections to a real web server; each is a row of its own that is checked
afterwards. Sweep: one round with as many videos in the making, and asking for all of them once.
"""

import json
from collections.abc import Iterator

from ..support.installation import Installation
from . import load

CONNECTIONS = 8

SEED = """
import uuid
from django.utils import timezone
from videos.models import ApiToken, Generation, Member, Submission
from videos.models.frame import digest
ada = Member.objects.filter(username="ada").first() or Member.objects.create_user("ada")
token = ApiToken(name="figures", base_url="http://127.0.0.1:{provider}", max_in_flight=10000, in_flight={number})
token.secret = "sandbox-figures"
token.save()
now = timezone.now()
submissions = Submission.objects.bulk_create(
    [Submission(member=ada, key=uuid.uuid4()) for _ in range({number})], batch_size=500)
Generation.objects.bulk_create([
    Generation(submission=submission, member=ada, token=token, prompt=f"number {{number}}", state="processing",
               uuid=uuid.UUID(int=number), task_id=f"task-{{number}}", callback_key_hash=digest(f"key-{{number}}"),
               submitted_at=now, accepted_at=now, ask_at=now)
    for number, submission in enumerate(submissions)], batch_size=500)
"""

COUNT = """
from videos.models import ApiToken, Event, Generation
print(Generation.objects.filter(state="completed", via="callback").count(),
      Event.objects.filter(kind="completed").count(), ApiToken.objects.get(name="figures").in_flight)
"""

SWEEP = """
import threading, time, json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from videos.jobs import polling, sweep
from videos.models import Generation
class Running(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        ids = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["ids"]
        body = json.dumps({{"items": [{{"id": id_}} for id_ in ids], "count": len(ids)}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
server = ThreadingHTTPServer(("127.0.0.1", {provider}), Running)
threading.Thread(target=server.serve_forever, daemon=True).start()
started = time.perf_counter()
sweep.sweep()
swept = time.perf_counter()
asked = 0
while asked < {number} and (more := polling.poll()):
    asked += more
print(swept - started, time.perf_counter() - swept, asked)
"""


def callbacks(port: int, number: int) -> Iterator[bytes]:
    for row in range(number):
        body = {
            "success": True, "task_id": f"task-{row}", "video_id": f"video-{row}", "state": "completed",
            "prompt": f"number {row}", "video_url": f"https://platform.cdn.acedata.cloud/{row}.mp4",
            "video_width": 1360, "video_height": 752,
        }  # fmt: skip
        path = f"/callbacks/luma/00000000-0000-0000-0000-{row:012x}/key-{row}/"
        yield load.post("127.0.0.1", port, path, json.dumps(body).encode())


def measure(house: Installation, number: int) -> dict:
    """Of an installation whose web server runs and which holds no generation yet; milliseconds and seconds."""
    house.python(SEED.format(number=number, provider=house.sandbox_port))
    swept, asked, _ = map(float, house.python(SWEEP.format(number=number, provider=house.sandbox_port)).split())
    told = load.run(house.port, callbacks(house.port, number), CONNECTIONS)
    recorded, events, held = map(int, house.python(COUNT).split())
    return {
        "number": number,
        "per_s": round(number / told.seconds),
        "median_ms": round(told.share(0.5) * 1000, 1),
        "p99_ms": round(told.share(0.99) * 1000, 1),
        "lost": number - recorded,
        "counted_twice": events - recorded,
        "slots_still_held": held,
        "statuses": told.statuses,
        "sweep_ms": round(swept * 1000),
        "asking_for_all_s": round(asked, 1),
    }
