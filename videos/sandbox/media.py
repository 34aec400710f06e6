"""Serving finished videos and thumbnails with byte ranges, and damaging some of them."""

import re
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from .errors import ApiError
from .faults import DAMAGED_DOWNLOADS
from .http_handler import RequestHandler
from .ledger import Task

CONTENT_TYPES = {"mp4": "video/mp4", "jpg": "image/jpeg"}
MEDIA_PATH = re.compile(r"/media/(?P<task_id>[0-9a-f-]{36})/(?P<stem>[\w-]+)\.(?P<suffix>mp4|jpg)")
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
DAMAGED_COUNT = 2  # downloads of a video
SECONDS_PER_BYTE = 1.0  # of a slow thumbnail


def send_media(handler: RequestHandler) -> None:
    """Answer a GET or HEAD of a media path with 200 or 206; raise ApiError 403, 404 or 416."""
    backend = handler.backend
    url = urlsplit(handler.path)
    match = MEDIA_PATH.fullmatch(url.path)
    task = backend.ledger.find(match["task_id"]) if match else None
    if not match or task is None or task.deleted or task.finished_at is None or task.file_stem != match["stem"]:
        raise _not_found()
    if backend.is_media_forbidden(task):
        raise ApiError(403, "forbidden", "the link is not available")
    if "stale_link" in task.faults and "fresh" not in parse_qs(url.query):
        raise _not_found()
    path = backend.video_path(task).with_suffix(f".{match['suffix']}")
    if not path.exists():
        raise _not_found()
    if match["suffix"] == "jpg":
        _send_thumbnail(handler, task, path)
    elif handler.command == "GET" and (fault := _damage(handler, task)):
        _send_damaged(handler, path, fault)
    else:
        send_file(handler, path.read_bytes(), CONTENT_TYPES["mp4"])


def send_file(handler: RequestHandler, content: bytes, content_type: str) -> None:
    """Send a file, or the part of it that the Range header names; raise ApiError 416 if it names none."""
    size = len(content)
    byte_range = parse_range(handler.headers.get("Range", ""), size)
    if byte_range is None:
        raise ApiError(416, "bad_request", "no such range", headers={"Content-Range": f"bytes */{size}"})
    first, last = byte_range
    headers = {"Accept-Ranges": "bytes"}
    is_partial = "Range" in handler.headers
    if is_partial:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    handler.send_content(206 if is_partial else 200, content_type, content[first : last + 1], headers)


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte requested, all bytes for an unknown form; None if they are not in the file."""
    match = RANGE.fullmatch(header.strip())
    if not match or not (match[1] or match[2]):
        return 0, size - 1
    if not match[1]:
        return (max(0, size - int(match[2])), size - 1) if int(match[2]) else None
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    return (first, last) if first <= last else None


def _damage(handler: RequestHandler, task: Task) -> str:
    """Count a download if the task has a fault that damages the first ones; return the fault, "" for none."""
    faults = task.faults & DAMAGED_DOWNLOADS.keys()
    if faults and handler.backend.ledger.count_download(task.id) <= DAMAGED_COUNT:
        return min(faults)
    return ""


def _send_damaged(handler: RequestHandler, path: Path, fault: str) -> None:
    content, content_type = path.read_bytes(), CONTENT_TYPES["mp4"]
    match fault:
        case "half":
            send_file(handler, content[: len(content) // 2], content_type)
        case "empty":
            handler.send_content(200, content_type, b"")
        case "webpage":
            handler.send_page(200, "Welcome")
        case "login":
            handler.send_page(302, "302 Found", {"Location": f"{handler.backend.base_url}/login"})
        case "wrong_kind":
            handler.send_content(200, content_type, path.with_suffix(".jpg").read_bytes())
        case _:
            _send_headers(handler, len(content), content_type)
            handler.wfile.write(content[: len(content) // 2])
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_WR)


def _send_thumbnail(handler: RequestHandler, task: Task, path: Path) -> None:
    if "no_thumbnail" in task.faults:
        raise _not_found()
    content, content_type = path.read_bytes(), CONTENT_TYPES["jpg"]
    if "slow_thumbnail" not in task.faults or handler.command == "HEAD":
        return send_file(handler, content, content_type)
    _send_headers(handler, len(content), content_type)
    for position in range(len(content)):
        handler.wfile.write(content[position : position + 1])
        handler.wfile.flush()
        handler.wait(None, SECONDS_PER_BYTE)
        if handler.close_connection:
            return


def _send_headers(handler: RequestHandler, length: int, content_type: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.flush()


def _not_found() -> ApiError:
    return ApiError(404, "not_found", "no such file")
