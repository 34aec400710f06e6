"""File upload: `POST /files/upload` and `POST /api/v1/files/`, and the links to what was uploaded."""

import mimetypes
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesHeaderParser

from .exchange import Exchange
from .fetch import Unreadable
from .wire import Refusal, bad_request

API_UPLOAD, PLATFORM_UPLOAD = "/files/upload", "/api/v1/files"
LARGEST_FILE = 25 * 2**20
LARGEST_FORM = LARGEST_FILE + 2**20


def upload(exchange: Exchange, body: bytes, token_hash: str) -> None:
    """Keep the picture in the multipart field `file`; answer in the form of the called endpoint."""
    if fault := exchange.studio.draw_upload_fault():
        return _fail(exchange, fault)
    picture = file_field(exchange.headers.get("Content-Type", ""), body)
    if len(picture) > LARGEST_FILE:
        raise Refusal(413, "request_too_large", f"the file is larger than {LARGEST_FILE // 2**20} MB")
    try:
        stored = exchange.studio.files.save(picture, token_hash)
    except Unreadable as wrong:
        raise bad_request(str(wrong)) from wrong
    link = exchange.studio.file_link(stored.name)
    expires_at = datetime.fromtimestamp(stored.expires_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if exchange.route == API_UPLOAD:
        exchange.answer(200, {"success": True, "url": link, "expires_at": expires_at})
    else:
        exchange.answer(200, {"file_url": link, "file_name": stored.name, "expires_at": expires_at})


def _fail(exchange: Exchange, fault: str) -> None:
    match fault:
        case "upload_forbidden":
            raise Refusal(403, "forbidden", "this account may not upload files")
        case "upload_shape":
            exchange.answer(200, {"data": {"id": exchange.trace_id}})
        case _:
            raise Refusal(404, "no_api", f"there is no API at {exchange.route}")


def send_upload(exchange: Exchange, token_hash: str) -> None:
    """Answer a GET of an uploaded picture; Refusal 403 when it cannot be had with this token."""
    try:
        stored = exchange.studio.files.find(exchange.route.rpartition("/")[2], token_hash)
    except Unreadable as wrong:
        raise Refusal(403, "forbidden", str(wrong)) from wrong
    exchange.send(200, mimetypes.guess_type(stored.name)[0] or "image/jpeg", stored.path.read_bytes())


def file_field(content_type: str, body: bytes) -> bytes:
    """Find the content of the field `file` in a multipart form; Refusal when there is none."""
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_param("boundary")
    if header.get_content_type() == "multipart/form-data" and isinstance(boundary, str) and boundary:
        for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:]:
            head, _, content = part.partition(b"\r\n\r\n")
            fields = BytesHeaderParser().parsebytes(head.lstrip(b"\r\n"))
            if fields.get_param("name", header="Content-Disposition") == "file":
                return content
    raise bad_request("a multipart form with a field `file` is required")
