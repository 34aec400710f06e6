"""The media files that the database names."""

from collections.abc import Iterator
from typing import NamedTuple

from videos.models import Frame, Generation
from videos.models.generation.queryset import in_batches


class NamedFile(NamedTuple):
    """A media file that the database names; its SHA-256 is "" and its size None if they are not known."""

    name: str
    sha256: str = ""
    size: int | None = None


def named_media() -> Iterator[NamedFile]:
    """Yield the files that the database names."""
    names = "video_file", "sha256", "size_bytes", "thumbnail_file", "poster_file"
    for row in in_batches(Generation.objects.only(*names)):
        if row.video_file.name:
            yield NamedFile(row.video_file.name, row.sha256, row.size_bytes)
        yield from (NamedFile(file.name) for file in (row.thumbnail_file, row.poster_file) if file.name)
    for frame in in_batches(Frame.objects.exclude(file="").only("file")):
        if frame.file.name:
            yield NamedFile(frame.file.name)


def max_named_files() -> int:
    """Return an upper bound of the number of named files, without reading all rows."""
    return 3 * Generation.objects.exclude(video_file="").count() + Frame.objects.exclude(file="").count()
