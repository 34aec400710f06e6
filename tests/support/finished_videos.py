"""Create videos that the stub provider has finished, and verify what is saved of them."""

import io
import uuid

from django.core.management import call_command

from videos import tasks
from videos.models import Generation

from .factories import a_generation, a_result, running


def finished(stub, path="/v.mp4") -> Generation:
    generation = a_generation()
    generation.claim()
    task_id = str(uuid.uuid4())
    generation.record(running(task_id), "answer")
    generation.record(a_result(task_id, video_url=stub.url + path), "callback")
    return generation


def saved(stub, mp4) -> Generation:
    stub.files["/v.mp4"] = mp4
    generation = finished(stub)
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved"
    return generation


def kinds(generation) -> list[str]:
    return list(generation.events.values_list("kind", flat=True))


def a_task(task_id: str, response: dict | None = None, **request) -> dict:
    document = {"id": task_id, "created_at": 1.0, "request": {"action": "generate", "prompt": "a heron"} | request}
    return document | ({"finished_at": 2.0, "response": response} if response else {})


def a_video(stub, **more) -> dict:
    return {"success": True, "state": "completed", "video_id": "video-9", "video_url": f"{stub.url}/v.mp4"} | more


def verify_media(*options: str) -> tuple[str, int]:
    """Run `manage.py verify_media`; return its output and its exit status."""
    out = io.StringIO()
    try:
        call_command("verify_media", *options, stdout=out)
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0
