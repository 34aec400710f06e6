import re

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse

# An open-ended range to a slow client holds a thread: answer a piece, the player asks for the next.
PIECE = 8 * 1024 * 1024
CHUNK = 256 * 1024


def ranged(request: HttpRequest, stored, *, content_type: str, etag: str, download_as: str = "") -> HttpResponse:
    """Answer a stored file, whole or the one range that was asked for (RFC 9110, section 14).

    Several ranges, or one that cannot be read, count as none; one that lies outside is answered 416.
    """
    try:
        file, size = stored.open("rb"), stored.size
    except FileNotFoundError:
        raise Http404("the file is missing") from None
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("If-None-Match") == etag:
        file.close()
        return HttpResponse(status=304, headers=headers)
    wanted = request.headers.get("Range", "")
    if_range = request.headers.get("If-Range", etag)
    span = _span(wanted, size) if wanted and if_range == etag else None
    if span == "outside":
        file.close()
        return HttpResponse(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    if span is None:
        response = FileResponse(file, content_type=content_type, headers=headers)
        response.headers["Content-Length"] = size
        response.headers["Content-Disposition"] = "inline"
    else:
        first, last = span
        response = StreamingHttpResponse(
            _read(file, first, last), status=206, content_type=content_type, headers=headers
        )
        response._resource_closers.append(file.close)
        response.headers["Content-Length"] = last - first + 1
        response.headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    if download_as:
        response.headers["Content-Disposition"] = f'attachment; filename="{download_as}"'
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
