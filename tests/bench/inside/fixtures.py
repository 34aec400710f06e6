"""Rows for the benchmarks, created in a running installation with one member."""

import uuid

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django_q.tasks import async_task

from videos.jobs.queue import enqueue_drain
from videos.models import ApiToken, Event, Generation, Member, Submission
from videos.models.secret_keys import hash_key

TOKEN_NAME = "bench"
BATCH_SIZE = 500
MAX_IN_FLIGHT = 10_000


def add_token(base_url: str, **fields: int) -> ApiToken:
    token = ApiToken(name=TOKEN_NAME, base_url=base_url, **fields)
    token.secret = "sandbox-bench"
    token.save()
    return token


def allow_many_in_flight() -> None:
    ApiToken.objects.update(max_in_flight=MAX_IN_FLIGHT)


def create_processing(number: int, base_url: str) -> None:
    """Create generations in progress; row N has the callback path `/callbacks/luma/<uuid of N>/key-N/`."""
    member = Member.objects.get()
    token = add_token(base_url, max_in_flight=MAX_IN_FLIGHT, in_flight=number)
    now = timezone.now()
    submissions = Submission.objects.bulk_create(
        [Submission(member=member, key=uuid.uuid4()) for _ in range(number)], batch_size=BATCH_SIZE
    )
    Generation.objects.bulk_create(
        [
            Generation(
                submission=submission,
                member=member,
                token=token,
                prompt=f"number {row}",
                state="processing",
                uuid=uuid.UUID(int=row),
                task_id=f"task-{row}",
                callback_key_hash=hash_key(f"key-{row}"),
                submitted_at=now,
                accepted_at=now,
                next_poll_at=now,
            )
            for row, submission in enumerate(submissions)
        ],
        batch_size=BATCH_SIZE,
    )


def count_completed() -> tuple[int, int, int]:
    """Return the rows completed by a callback, the events of completion, and the slots that are still held."""
    rows = Generation.objects.filter(state="completed", result_channel="callback").count()
    events = Event.objects.filter(kind="completed").count()
    return rows, events, ApiToken.objects.get(name=TOKEN_NAME).in_flight


def create_saved_videos(number: int, size: int) -> list[str]:
    """Create completed generations with saved files of some bytes; return their UUIDs."""
    uuids = []
    for row in range(number):
        generation = _submit(f"video {row}")
        path = f"videos/{generation.uuid.hex[:2]}/{generation.uuid}.mp4"
        name = default_storage.save(path, ContentFile(b"x" * size))
        Generation.objects.filter(pk=generation.pk).update(
            state="completed", archive="saved", video_file=name, size_bytes=size, sha256="0" * 64
        )
        uuids.append(str(generation.uuid))
    return uuids


def create_unsaved(base_url: str, video_url: str) -> Generation:
    """Create a completed generation whose video has not been downloaded."""
    generation = _submit("large")
    Generation.objects.filter(pk=generation.pk).update(
        token=add_token(base_url), state="completed", video_url=video_url
    )
    generation.refresh_from_db()
    return generation


def queue_batch(number: int, name: str) -> list[int]:
    """Queue generations with the prompts `NAME <number>`; return their primary keys."""
    member = Member.objects.get()
    with transaction.atomic():
        for row in range(number):
            Submission.objects.open(member, uuid.uuid4(), 1, prompt=f"{name} {row}")
    return list(Generation.objects.filter(prompt__startswith=f"{name} ").values_list("pk", flat=True))


def wake_workers(keys: list[int], *, one_task_each: bool) -> None:
    """Start the submission: by the product's one drain, or by a queue task for each generation."""
    if not one_task_each:
        enqueue_drain()
        return
    for key in keys:
        async_task("tests.bench.inside.baseline.submit_one", key)


def _submit(prompt: str) -> Generation:
    submission, _ = Submission.objects.open(Member.objects.get(), uuid.uuid4(), 1, prompt=prompt)
    return submission.generations.get()
