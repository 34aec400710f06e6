"""Code that fills an installation and reads it back, to be run by `Installation.python`."""

PEOPLE = """
import hashlib, tempfile, uuid
from pathlib import Path
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django_q.models import OrmQ
from django_q.tasks import async_task
from videos import provider
from videos.models import (
    ApiToken, Collection, Frame, Generation, Heartbeat, Invitation, Lease, Member, Share, Submission
)

from tests.support.sample_videos import noise_video, with_mark

FILM = noise_video(Path(tempfile.mkdtemp(), "film.mp4"), seconds=1)

def ask(prompt):
    return Submission.objects.open(Member.objects.first(), uuid.uuid4(), 1, prompt=prompt)[0].generations.get()

def film(prompt):
    generation = ask(prompt)
    assert generation.claim()
    result = provider.Result(str(uuid.uuid4()), provider.Status.COMPLETED, video_url="https://example.com/v.mp4")
    generation.record(result, "callback")
    base = f"videos/{generation.uuid.hex[:2]}/{generation.uuid}"
    data = with_mark(FILM, generation.uuid.bytes * 5000)
    names = {kind: default_storage.save(base + end, ContentFile(data))
             for kind, end in (("video_file", ".mp4"), ("thumbnail_file", ".jpg"), ("poster_file", ".webp"))}
    generation.saved(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), duration=1.0, **names)
    return generation
"""

FILL = (
    PEOPLE
    + """
member = Member.objects.create_superuser("ada", password="correct-horse-9")
token = ApiToken(name="Real one", base_url="http://127.0.0.1:9")
token.secret = "sandbox-secret-token"
token.save()
for number in range(3):
    film(f"film {number}")
sending = ask("sending")
assert sending.claim()
running = ask("running")
assert running.claim()
running.record(provider.Result("task-running"), "answer")
ask("waiting 1")
ask("waiting 2")
name = default_storage.save("frames/start.jpg", ContentFile(b"frame"))
Frame.objects.create(sha256="f" * 64, file=name, width=1, height=1, size_bytes=5, member=member)
async_task("videos.tasks.drain")
Heartbeat.stamp("lumaweb")
Lease.objects.acquire("ticker", "gone", 999)
Invitation.objects.invite(member)
shared = Generation.objects.get(prompt="film 1")
share = Share.objects.create_for(shared, member, days=7, chain=False, with_prompt=False)
assert share
rows = Generation.objects.filter(prompt__in=["film 0", "film 1"])
collection, _ = Collection.objects.named("Client", member)
collection.add(rows, member)
for follows in (False, True):
    assert Share.objects.create_for_videos(
        rows, member, days=7, with_prompt=False, title="Dailies", download=True, collection=collection, follows=follows)
from django.contrib.sessions.backends.db import SessionStore
SessionStore().create()
"""
)

READ_BACK = """
import json
from django.core.files.storage import default_storage
from django_q.models import OrmQ
from django.contrib.sessions.models import Session
from videos.models import ApiToken, Event, Frame, Generation, Heartbeat, Invitation, Lease, Member, Share
token = ApiToken.objects.get()
ours = Generation.objects.exclude(prompt__startswith="meanwhile")
print(json.dumps({
    "states": {row.prompt: row.state for row in ours},
    "held": sorted(ours.filter(pk__in=Generation.objects.held()).values_list("prompt", flat=True)),
    "next": [row.prompt for row in Generation.objects.next_to_submit(10)],
    "saved": Generation.objects.filter(archive="saved").count(),
    "events": sorted(Event.objects.filter(kind__in=["held", "unanswered"]).values_list("generation__prompt", "kind")),
    "in_flight": token.in_flight,
    "secret": token.secret,
    "queue": OrmQ.objects.count(), "hearts": Heartbeat.objects.count(), "leases": Lease.objects.count(),
    "frame": default_storage.open(Frame.objects.get().file.name).read().decode(),
    "open_doors": [Session.objects.count(), Share.objects.live().count(), Invitation.objects.good().count()],
    "opened": [bool(Share.objects.opened_with(str(share.uuid), share.key)) for share in Share.objects.order_by("pk")],
    "signs_in": Member.objects.get().check_password("correct-horse-9"),
}))
"""
