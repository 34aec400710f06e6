"""Serving finished clips and thumbnails, with byte ranges, and spoiling some of them."""

import re
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from .contract import ApiError
from .faults import BAD_DOWNLOADS
from .http_handler import RequestHandler
from .ledger import Task

TYPES = {"mp4": "video/mp4", "jpg": "image/jpeg"}
PATH = re.compile(r"/media/([0-9a-f-]{36})/([\w-]+)\.(mp4|jpg)")
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
BAD_FETCHES = 2
DRIP_PAUSE = 1.0  # seconds between two bytes


def send_media(handler: RequestHandler) -> None:
    """Answer one GET or HEAD of a media path with 200 or 206; ApiError 403, 404 or 416."""
    backend = handler.backend
    url = urlsplit(handler.path)
    found = PATH.fullmatch(url.path)
    task = backend.ledger.task(found[1]) if found else None
    if not found or task is None or task.deleted or task.finished_at is None or task.file != found[2]:
        raise _no_file()
    if backend.media_is_forbidden(task):
        raise ApiError(403, "forbidden", "the link is not available")
    if "stale_link" in task.faults and "fresh" not in parse_qs(url.query):
        raise _no_file()
    path = backend.video_file(task).with_suffix(f".{found[3]}")
    if not path.exists():
        raise _no_file()
    if found[3] == "jpg":
        _send_thumbnail(handler, task, path)
    elif (spoilt := task.faults & BAD_DOWNLOADS.keys()) and handler.command == "GET" and _is_early(handler, task):
        _send_spoilt(handler, path, min(spoilt))
    else:
        send_file(handler, path.read_bytes(), TYPES[found[3]])


def send_file(handler: RequestHandler, content: bytes, content_type: str) -> None:
    """Answer with a file, or the part of it that the request's Range names; ApiError 416 when there is none."""
    size = len(content)
    window = read_range(handler.headers.get("Range", ""), size)
    if window is None:
        raise ApiError(416, "bad_request", "no such range", headers={"Content-Range": f"bytes */{size}"})
    first, last = window
    headers = {"Accept-Ranges": "bytes"}
    partial = "Range" in handler.headers
    if partial:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    handler.send(206 if partial else 200, content_type, content[first : last + 1], headers)


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


def _is_early(handler: RequestHandler, task: Task) -> bool:
    return handler.backend.ledger.count_fetch(task.id) <= BAD_FETCHES


def _send_spoilt(handler: RequestHandler, path: Path, how: str) -> None:
    content = path.read_bytes()
    match how:
        case "half":
            send_file(handler, content[: len(content) // 2], TYPES["mp4"])
        case "empty":
            handler.send(200, TYPES["mp4"], b"")
        case "webpage":
            handler.answer_page(200, "Welcome")
        case "login":
            handler.answer_page(302, "302 Found", {"Location": f"{handler.backend.base_url}/login"})
        case "wrong_kind":
            handler.send(200, TYPES["mp4"], path.with_suffix(".jpg").read_bytes())
        case _:
            _begin(handler, len(content), TYPES["mp4"])
            handler.wfile.write(content[: len(content) // 2])
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_WR)


def _send_thumbnail(handler: RequestHandler, task: Task, path: Path) -> None:
    if "no_thumbnail" in task.faults:
        raise _no_file()
    content = path.read_bytes()
    if "slow_thumbnail" not in task.faults or handler.command == "HEAD":
        return send_file(handler, content, TYPES["jpg"])
    _begin(handler, len(content), TYPES["jpg"])
    for at in range(len(content)):
        handler.wfile.write(content[at : at + 1])
        handler.wfile.flush()
        handler.wait(None, DRIP_PAUSE)
        if handler.close_connection:
            return


def _begin(handler: RequestHandler, length: int, content_type: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.flush()


def _no_file() -> ApiError:
    return ApiError(404, "not_found", "no such file")
