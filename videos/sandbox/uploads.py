"""File upload: `POST /files/upload` and `POST /api/v1/files/`, and the links to what was uploaded."""

import mimetypes
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesHeaderParser

from .contract import ApiError, bad_request
from .http_client import Unreadable
from .http_handler import RequestHandler

API_UPLOAD, PLATFORM_UPLOAD = "/files/upload", "/api/v1/files"
LARGEST_FILE = 25 * 2**20
LARGEST_FORM = LARGEST_FILE + 2**20


def upload(handler: RequestHandler, body: bytes, token_hash: str) -> None:
    """Keep the picture in the multipart field `file`; answer in the form of the called endpoint."""
    if fault := handler.backend.draw_upload_fault():
        return _fail(handler, fault)
    picture = file_field(handler.headers.get("Content-Type", ""), body)
    if len(picture) > LARGEST_FILE:
        raise ApiError(413, "request_too_large", f"the file is larger than {LARGEST_FILE // 2**20} MB")
    try:
        stored = handler.backend.files.save(picture, token_hash)
    except Unreadable as error:
        raise bad_request(str(error)) from error
    link = handler.backend.file_link(stored.name)
    expires_at = datetime.fromtimestamp(stored.expires_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if handler.route == API_UPLOAD:
        handler.answer(200, {"success": True, "url": link, "expires_at": expires_at})
    else:
        handler.answer(200, {"file_url": link, "file_name": stored.name, "expires_at": expires_at})


def _fail(handler: RequestHandler, fault: str) -> None:
    match fault:
        case "upload_forbidden":
            raise ApiError(403, "forbidden", "this account may not upload files")
        case "upload_shape":
            handler.answer(200, {"data": {"id": handler.trace_id}})
        case _:
            raise ApiError(404, "no_api", f"there is no API at {handler.route}")


def send_upload(handler: RequestHandler, token_hash: str) -> None:
    """Answer a GET of an uploaded picture; ApiError 403 when it cannot be had with this token."""
    try:
        stored = handler.backend.files.find(handler.route.rpartition("/")[2], token_hash)
    except Unreadable as error:
        raise ApiError(403, "forbidden", str(error)) from error
    handler.send(200, mimetypes.guess_type(stored.name)[0] or "image/jpeg", stored.path.read_bytes())


def file_field(content_type: str, body: bytes) -> bytes:
    """Find the content of the field `file` in a multipart form; ApiError when there is none."""
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
