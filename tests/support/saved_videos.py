"""Create videos with stored files, without a provider."""

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from videos.models import ApiToken, Generation

from .factories import a_generation, a_result, a_token


def a_saved_one(member=None, **settings) -> Generation:
    """Create a finished generation with its three stored files."""
    ApiToken.objects.first() or a_token()
    generation = a_generation(member, **settings)
    generation.claim()
    task = f"task-{generation.pk}"
    generation.record(
        a_result(task, video_id=f"video-{generation.pk}", thumbnail_url="https://x.example/t.jpg"), "answer"
    )
    files = {
        name: default_storage.save(f"videos/aa/{generation.uuid}.{ending}", ContentFile(b"film"))
        for name, ending in (("video_file", "mp4"), ("thumbnail_file", "jpg"), ("poster_file", "webp"))
    }
    assert generation.saved(**files, sha256="ab" * 32, size_bytes=4, duration=5.0)
    return generation


def a_stored_video(member, prompt: str, content: bytes = b"video") -> Generation:
    """Create a completed generation whose video has this content, without a task."""
    generation = a_generation(member, prompt=prompt)
    name = default_storage.save(f"videos/{generation.uuid}.mp4", ContentFile(content))
    Generation.objects.filter(pk=generation.pk).update(
        state="completed", archive="saved", video_file=name, sha256="0" * 64, size_bytes=len(content)
    )
    generation.refresh_from_db()
    return generation


def files_of(generation) -> list[str]:
    return [file.name for file in (generation.video_file, generation.thumbnail_file, generation.poster_file)]


def events(generation) -> list[str]:
    return list(generation.events.values_list("kind", flat=True))
