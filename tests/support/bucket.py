"""Helpers for tests with videos in a bucket."""

import io
import uuid

import httpx
from django.core.management import call_command
from django.urls import reverse

from lumaweb.environment.services import Bucket
from videos import tasks
from videos.models import Generation

from .factories import a_generation, a_result, running
from .s3_server import ACCESS_KEY, BUCKET, SECRET_KEY


def storage_at(bucket: Bucket, **keys) -> dict:
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY} | keys
    return {"BACKEND": "lumaweb.object_storage.BucketStorage", "OPTIONS": {"bucket": bucket, **keys}}


def stored_in(s3, bucket) -> dict[str, bytes]:
    """Return the objects under this test's prefix, read directly from the server."""
    part = s3.folder / BUCKET / bucket.prefix
    return {path.relative_to(part).as_posix(): path.read_bytes() for path in part.rglob("*") if path.is_file()}


def finished(stub, mp4: bytes, **asked) -> Generation:
    """Create a video that the provider has finished and that is not saved yet."""
    path = f"/{uuid.uuid4()}.mp4"
    stub.files[path] = mp4
    generation = a_generation(**asked)
    assert generation.claim()
    task_id = str(uuid.uuid4())
    generation.record(running(task_id), "answer")
    generation.record(a_result(task_id, video_url=stub.url + path), "callback")
    return generation


def saved(stub, mp4: bytes, **asked) -> Generation:
    generation = finished(stub, mp4, **asked)
    tasks.archive(generation.pk)
    generation.refresh_from_db()
    assert generation.archive == "saved", generation.events.last().text
    return generation


def files_of(generation) -> list[str]:
    return [generation.video_file.name, generation.thumbnail_file.name, generation.poster_file.name]


def link_to(client, generation, query: str = "", **headers) -> str:
    answer = client.get(reverse("video", args=[generation.uuid]) + query, headers=headers)
    assert (answer.status_code, answer.content) == (302, b"")
    return answer["Location"]


def fetch(link: str, method: str = "GET", **headers) -> httpx.Response:
    return httpx.request(method, link, headers=headers, trust_env=False, timeout=20)


# ── Commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def command(*words: str, **options) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command(*words, stdout=out, **options)
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0
