"""HTTP range requests for stored files."""

import re
from typing import Literal

from django.db.models.fields.files import FieldFile
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from .streams import FileSlice, stream

Span = tuple[int, int]


def is_known(request: HttpRequest, etag: str) -> bool:
    return request.headers.get("If-None-Match") == etag


def ranged(request: HttpRequest, stored: FieldFile, headers: dict[str, str], *, from_bucket: bool) -> HttpResponseBase:
    """Return a stored file, whole or the requested range of it (RFC 9110, section 14); `headers` has its ETag.

    An open range returns the rest of the file, as clients that resume a download take a shorter one for complete.
    Several ranges, or a malformed one, count as none; one outside the file gets 416. Raises OSError and TooManyStreams.
    """
    file = stored.storage.open(stored.name or "", "rb")
    size = file.size
    headers = headers | {"Accept-Ranges": "bytes"}
    wanted = request.headers.get("Range", "")
    if_range = request.headers.get("If-Range", headers["ETag"])
    span = _parse_range(wanted, size) if wanted and if_range == headers["ETag"] else None
    if span == "unsatisfiable":
        file.close()
        return HttpResponse(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    first, last = span or (0, size - 1)
    length = last - first + 1
    if span:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    status = 206 if span else 200
    if request.method == "HEAD":
        file.close()
        return HttpResponse(status=status, headers=headers | {"Content-Length": str(length)})
    return stream(FileSlice(file, first, length), headers, status=status, from_bucket=from_bucket)


def _parse_range(header: str, size: int) -> Span | Literal["unsatisfiable"] | None:
    """Return (first, last) of the one range in the header, both inclusive; None unless there is exactly one."""
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip())
    if not match or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        if int(last) == 0 or not size:
            return "unsatisfiable"
        return max(0, size - int(last)), size - 1
    if int(first) >= size:
        return "unsatisfiable"
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last), size - 1) if last else size - 1
