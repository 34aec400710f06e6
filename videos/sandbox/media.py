"""Serving finished clips and thumbnails, with byte ranges."""

import re

from .exchange import Exchange
from .studio import Studio

TYPES = {"mp4": "video/mp4", "jpg": "image/jpeg"}
PATH = re.compile(r"/media/([0-9a-f-]{36})/([\w-]+)\.(mp4|jpg)")
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def send_media(handler: Exchange, studio: Studio) -> None:
    """Answer one GET or HEAD of a media path: 200, 206, 403, 404 or 416."""
    found = PATH.fullmatch(handler.path.partition("?")[0])
    task = studio.ledger.task(found[1]) if found else None
    if task is None or task.deleted or task.finished_at is None or task.file != found[2]:
        return _deny(handler, 404, "not_found", "no such file")
    if studio.media_is_forbidden(task):
        return _deny(handler, 403, "forbidden", "the link is not available")
    path = studio.video_file(task).with_suffix(f".{found[3]}")
    if not path.exists():
        return _deny(handler, 404, "not_found", "no such file")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        window = read_range(handler.headers.get("Range", ""), size)
        if window is None:
            return _deny(handler, 416, "bad_request", "no such range", {"Content-Range": f"bytes */{size}"})
        first, last = window
        partial = (first, last) != (0, size - 1) or handler.headers.get("Range")
        handler.send_response(206 if partial else 200)
        handler.send_header("Content-Type", TYPES[found[3]])
        handler.send_header("Content-Length", str(last - first + 1))
        handler.send_header("Accept-Ranges", "bytes")
        if partial:
            handler.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        handler.end_headers()
        if handler.command == "HEAD":
            return
        handler.wfile.flush()
        file.seek(first)
        _copy(file, handler.wfile, last - first + 1)


def read_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte asked for, all of them for a header we do not understand; None: not in the file."""
    match = RANGE.fullmatch(header.strip())
    if not match or not (match[1] or match[2]):
        return 0, size - 1
    if not match[1]:
        first, last = max(0, size - int(match[2])), size - 1
        return None if int(match[2]) == 0 else (first, last)
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    return (first, last) if first <= last else None


def _copy(file, target, length: int) -> None:
    while length > 0 and (block := file.read(min(length, 1 << 18))):
        target.write(block)
        length -= len(block)


def _deny(handler: Exchange, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
    handler.answer(status, {"error": {"code": code, "message": message}, "trace_id": handler.trace_id}, headers)
