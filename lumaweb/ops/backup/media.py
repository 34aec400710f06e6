"""The media files that the database names."""

from collections.abc import Iterator

from videos.models import Frame, Generation
from videos.models.generation.queryset import in_batches


def named_media() -> Iterator[tuple[str, str]]:
    """Yield the name of each file and its expected SHA-256, or "" if none is known."""
    for row in in_batches(Generation.objects.only("video_file", "sha256", "thumbnail_file", "poster_file")):
        files = ((row.video_file, row.sha256), (row.thumbnail_file, ""), (row.poster_file, ""))
        yield from ((file.name, sha256) for file, sha256 in files if file.name)
    for frame in in_batches(Frame.objects.exclude(file="").only("file")):
        if frame.file.name:
            yield frame.file.name, ""


def max_named_files() -> int:
    """Return an upper bound of the number of named files, without reading all rows."""
    return 3 * Generation.objects.exclude(video_file="").count() + Frame.objects.exclude(file="").count()
