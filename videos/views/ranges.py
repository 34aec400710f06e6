import re

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

# An open-ended range to a slow client holds a thread: answer a piece, the player asks for the next.
PIECE = 8 * 1024 * 1024
CHUNK = 256 * 1024


def is_known(request: HttpRequest, etag: str) -> bool:
    return request.headers.get("If-None-Match") == etag


def ranged(request: HttpRequest, stored, headers: dict[str, str]) -> HttpResponse:
    """Answer a stored file, whole or the one range that was asked for (RFC 9110, section 14); `headers` has its ETag.

    Several ranges, or one that cannot be read, count as none; one that lies outside is answered 416. Raises OSError.
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
    headers["Content-Length"] = str(last - first + 1)
    if span:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    if request.method == "HEAD":
        file.close()
        return HttpResponse(status=206 if span else 200, headers=headers)
    response = StreamingHttpResponse(_read(file, first, last), status=206 if span else 200, headers=headers)
    response._resource_closers.append(file.close)
    return response


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
    end = int(last) if last else int(first) + PIECE - 1
    return int(first), min(end, size - 1)


def _read(file, first: int, last: int):
    file.seek(first)
    left = last - first + 1
    while left and (chunk := file.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk
