import re

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from .streams import FileSlice, stream


def is_known(request: HttpRequest, etag: str) -> bool:
    return request.headers.get("If-None-Match") == etag


def ranged(request: HttpRequest, stored, headers: dict[str, str], *, from_bucket: bool) -> HttpResponseBase:
    """Answer a stored file, whole or the one range that was asked for (RFC 9110, section 14); `headers` has its ETag.

    An open range returns the rest of the file, as clients that resume a download take a shorter one for complete.
    Several ranges, or a malformed one, count as none; one outside the file is answered 416. Raises OSError and
    TooManyStreams.
    """
    file = stored.storage.open(stored.name, "rb")
    size = file.size
    headers = headers | {"Accept-Ranges": "bytes"}
    wanted = request.headers.get("Range", "")
    if_range = request.headers.get("If-Range", headers["ETag"])
    span = _span(wanted, size) if wanted and if_range == headers["ETag"] else None
    if span == "outside":
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


def _span(header: str, size: int):
    """(first, last) of the one range in the header; None if there is not exactly one, "outside" if unsatisfiable."""
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip())
    if not match or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        if int(last) == 0 or not size:
            return "outside"
        return max(0, size - int(last)), size - 1
    if int(first) >= size:
        return "outside"
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last), size - 1) if last else size - 1
