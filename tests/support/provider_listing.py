"""A listing of the stub provider, and unconfirmed videos to search for in it."""

import uuid
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from videos import provider
from videos.jobs import reconcile
from videos.models import ApiToken, Generation

from .factories import a_generation, an_error
from .stub_provider import StubProvider


class Listing:
    """The tasks of one account, and how the provider lists them."""

    def __init__(self, stub: StubProvider) -> None:
        self.tasks: list[dict] = []
        self.calls: list[dict] = []
        self.failure: tuple[int, dict] | None = None
        self.knows_bounds = self.knows_offset = True
        self.page = provider.PAGE_SIZE
        stub.answer = self.answer

    def add(self, generation: Generation | None = None, *, after: float = 2, **task) -> str:
        """Add a task created `after` seconds after this video's claim, with its exact request."""
        task_id = task.pop("id", "") or str(uuid.uuid4())
        claimed = generation.submitted_at if generation else timezone.now()
        echo = request_of(generation) if generation else {"action": "generate", "prompt": "somebody else's"}
        echo |= task.pop("request", {})
        created = (claimed + timedelta(seconds=after)).timestamp()
        self.tasks.append({"id": task_id, "created_at": created, "request": echo} | task)
        return task_id

    def answer(self, path: str, body: dict) -> tuple[int, dict]:
        assert path == "/luma/tasks", "nothing that costs may be sent"
        if "ids" in body:
            found = [task for task in self.tasks if task["id"] in body["ids"]]
            return 200, {"items": found, "count": len(found)}
        if body["action"] == "retrieve":
            return 200, next((task for task in self.tasks if task["id"] == body["id"]), {})
        self.calls.append(body)
        if self.failure:
            return self.failure
        tasks = sorted(self.tasks, key=lambda task: -(task["created_at"] or 0))
        if self.knows_bounds:
            since, until = body.get("created_at_min", 0), body.get("created_at_max", 1e12)
            tasks = [task for task in tasks if task["created_at"] is None or since <= task["created_at"] <= until]
        offset = body["offset"] if self.knows_offset else 0
        page = tasks[offset : offset + min(self.page, body["limit"])]
        return 200, {"items": page, "count": len(tasks)}


def request_of(generation: Generation) -> dict:
    """Return the provider's echo of this video's request, without a callback."""
    names = ("action", "prompt", "aspect_ratio", "enhancement", "loop", "timeout")
    echo = {name: getattr(generation, name) for name in names} | {"async": True}
    for name in ("start_image_url", "end_image_url"):
        if getattr(generation, name):
            echo[name] = getattr(generation, name)
    return echo


def a_video(**extra) -> dict:
    return {
        "success": True, "state": "completed", "video_id": str(uuid.uuid4()),
        "video_url": "https://platform.cdn.acedata.cloud/luma/v.mp4", "video_width": 1360, "video_height": 752,
    } | extra  # fmt: skip


def in_doubt(minutes: float = 0, **settings) -> Generation:
    """Create a video whose answer was cut off `minutes` after its claim."""
    # The second doubt in a row pauses a token.
    ApiToken.objects.update(health="ok", limited_until=None, doubts=0)
    generation = a_generation(**settings)
    generation.claim()
    generation.refuse(an_error("no_answer", provider.Sent.MAYBE))
    claimed = timezone.now() - timedelta(minutes=minutes)
    Generation.objects.filter(pk=generation.pk).update(submitted_at=claimed)
    generation.refresh_from_db()
    return generation


def search(*generations: Generation) -> None:
    """Search now and refresh the rows."""
    Generation.objects.filter(next_poll_at__isnull=False, state="unconfirmed").update(next_poll_at=timezone.now())
    reconcile.reconcile()
    for generation in generations:
        generation.refresh_from_db()


def callback(generation: Generation, key: str) -> str:
    return f"https://films.example.com{reverse('callback', args=[generation.uuid, key])}"
