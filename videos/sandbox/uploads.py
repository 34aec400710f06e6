"""Uploads: `POST /files/upload`, `POST /api/v1/files/`, and the links to uploaded pictures."""

import mimetypes
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesHeaderParser

from .errors import ApiError, InvalidFile, bad_request
from .faults import UPLOADS
from .http_handler import RequestHandler

API_UPLOAD, PLATFORM_UPLOAD = "/files/upload", "/api/v1/files"
MAX_FILE_SIZE = 25 * 2**20  # bytes
MAX_FORM_SIZE = MAX_FILE_SIZE + 2**20


def upload(handler: RequestHandler, body: bytes, token_hash: str) -> None:
    """Keep the picture in the multipart field `file`; answer in the form of the called endpoint."""
    if fault := handler.backend.draw_fault(UPLOADS):
        return _send_fault(handler, fault)
    picture = parse_file_field(handler.headers.get("Content-Type", ""), body)
    if len(picture) > MAX_FILE_SIZE:
        raise ApiError(413, "request_too_large", f"the file is larger than {MAX_FILE_SIZE // 2**20} MB")
    try:
        stored = handler.backend.files.save(picture, token_hash)
    except InvalidFile as error:
        raise bad_request(str(error)) from error
    url = handler.backend.file_url(stored.name)
    expires_at = datetime.fromtimestamp(stored.expires_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if handler.route == API_UPLOAD:
        handler.send_json(200, {"success": True, "url": url, "expires_at": expires_at})
    else:
        handler.send_json(200, {"file_url": url, "file_name": stored.name, "expires_at": expires_at})


def _send_fault(handler: RequestHandler, fault: str) -> None:
    match fault:
        case "upload_forbidden":
            raise ApiError(403, "forbidden", "this account may not upload files")
        case "upload_shape":
            handler.send_json(200, {"data": {"id": handler.trace_id}})
        case _:
            raise ApiError(404, "no_api", f"there is no API at {handler.route}")


def send_upload(handler: RequestHandler, token_hash: str) -> None:
    """Answer a GET of an uploaded picture; raise ApiError 403 if this account may not have it."""
    try:
        stored = handler.backend.files.find(handler.route.rpartition("/")[2], token_hash)
    except InvalidFile as error:
        raise ApiError(403, "forbidden", str(error)) from error
    content_type = mimetypes.guess_type(stored.name)[0] or "image/jpeg"
    handler.send_content(200, content_type, stored.path.read_bytes())


def parse_file_field(content_type: str, body: bytes) -> bytes:
    """Return the content of the field `file` in a multipart form; raise ApiError if there is none."""
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
