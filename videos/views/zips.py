"""Send saved videos as one ZIP, created while it is sent and never held in memory."""

from collections.abc import Iterator, Sequence
from typing import Any

import zipstream
from django.core.files.storage import default_storage
from django.http.response import HttpResponseBase

from ..file_names import attachment
from ..media.storage import file_sizes
from ..models import Generation
from . import delivery, streams

NOT_INCLUDED = "not-included.txt"


def videos_with_files(generations: Sequence[Generation]) -> dict[Generation, int]:
    """Return the saved ones of these videos, in order, with the sizes of their files in bytes. Raises OSError."""
    sizes = file_sizes([_stored_name(row) for row in generations if row.is_saved])
    return {row: sizes[_stored_name(row)] for row in generations if row.is_saved and _stored_name(row) in sizes}


def zip_response(
    name: str, members: dict[str, Generation], sizes: dict[Generation, int], *, note: str = ""
) -> HttpResponseBase:
    """Return the ZIP `name` of these videos, by file name in it; `note` is a text file that comes with them.

    Uncompressed, so that its length is known. Raises TooManyStreams.
    """
    bundle: Any = zipstream.ZipStream(compress_type=zipstream.ZIP_STORED, sized=True)
    for member, row in members.items():
        bundle.add(_chunks(_stored_name(row)), member, size=sizes[row])
    if note:
        bundle.add(note.encode(), NOT_INCLUDED)
    headers = {
        "Content-Type": "application/zip",
        "Content-Disposition": attachment(name),
    }
    content = streams.GeneratedFile(iter(bundle), len(bundle))
    return streams.stream(content, headers, from_bucket=delivery.is_bucket(default_storage))


def _stored_name(generation: Generation) -> str:
    return generation.video_file.name or ""


def _chunks(name: str) -> Iterator[bytes]:
    """Yield the content of a file. If it is missing, the download ends early: its length is in the headers already."""
    with default_storage.open(name, "rb") as file:
        while chunk := file.read(streams.CHUNK_SIZE):
            yield chunk
