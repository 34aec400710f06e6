"""Upload a picture to the provider, for an installation that the provider cannot reach."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx

from . import http
from .errors import ProviderError, retry_after
from .parsing import read_error
from .types import PUBLIC_BASE_URL, Sent
from .values import clean_text, parse_id, parse_json, parse_link, parse_time

MAX_UPLOAD_BYTES = 25_000_000  # the documented maximum for one picture
UPLOAD_SECONDS = 120.0  # for one whole upload
API_PATH, PLATFORM_PATH = "/files/upload", "/api/v1/files/"
PLATFORM_URL = "https://platform.acedata.cloud"

# The codes of an upload that brought no link. The paid request was not sent: each has Sent.NEVER.
REFUSED = "upload_refused"
FAILED = "upload_failed"
TOO_LARGE = "upload_too_large"
MODERATED = "content_moderation"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file at the provider; expires_at is None if it does not say, endpoint is the address that accepted it."""

    url: str
    expires_at: datetime | None
    endpoint: str


def upload_endpoints(base_url: str) -> tuple[str, str]:
    """Return the two documented addresses for files, best first.

    Only the public API has a platform on another host: a token is never sent to a host that is merely guessed.
    """
    base_url = base_url.rstrip("/")
    platform = PLATFORM_URL if base_url == PUBLIC_BASE_URL else base_url
    return base_url + API_PATH, platform + PLATFORM_PATH


async def upload_file(
    client: httpx.AsyncClient,
    base_url: str,
    token: str,
    content: bytes,
    *,
    filename: str,
    content_type: str,
    known_endpoint: str = "",
) -> UploadedFile:
    """Upload one picture with the API token and return its link; raise ProviderError, always with Sent.NEVER.

    `known_endpoint` is the address that accepted the last upload and is tried first. The other is tried only after a
    refusal, not after a temporary failure.
    """
    if len(content) > MAX_UPLOAD_BYTES:
        raise _error(TOO_LARGE, f"The picture has {len(content):,} bytes; {MAX_UPLOAD_BYTES:,} are the most.")
    if not parse_link(base_url):
        raise _error("not_sent", "The provider's address is not usable.")
    file = {"file": (filename, content, content_type)}
    refusals: list[ProviderError] = []
    for endpoint in sorted(upload_endpoints(base_url), key=lambda endpoint: endpoint != known_endpoint):
        try:
            return await _upload(client, endpoint, token, file)
        except ProviderError as error:
            # After a refusal by the first address, a temporary failure of the second does not make a retry useful.
            if error.code != REFUSED and not (refusals and error.code == FAILED):
                raise
            refusals.append(error)
    raise _error(REFUSED, " ".join(refusal.message for refusal in refusals), status=refusals[0].status)


async def _upload(client: httpx.AsyncClient, endpoint: str, token: str, file: dict[str, Any]) -> UploadedFile:
    place = f"{urlsplit(endpoint).netloc}{urlsplit(endpoint).path}"
    try:
        response, body = await http.post(client, endpoint, token, seconds=UPLOAD_SECONDS, files=file)
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
        # OSError includes asyncio's TimeoutError.
        raise _error(FAILED, f"The connection to {place} ended before the picture was taken.") from error
    document = parse_json(body)
    fields = document if isinstance(document, dict) else {}
    if file_at_provider := _read_file(response, fields, endpoint):
        return file_at_provider
    _raise_refusal(response, fields, place, token)


def _read_file(response: httpx.Response, fields: dict[str, Any], endpoint: str) -> UploadedFile | None:
    """Read the link of an accepted file; return None for any other answer."""
    data = fields.get("data")
    inner = data if isinstance(data, dict) else {}
    candidates = [source.get(name) for source in (fields, inner) for name in ("url", "file_url")]
    url = next(filter(None, map(parse_link, candidates)), "")
    if not response.is_success or fields.get("success") is False or not url:
        return None
    if read_error(fields.get("error"))[0] == MODERATED:
        return None
    return UploadedFile(url, parse_time(fields.get("expires_at") or inner.get("expires_at")), endpoint)


def _raise_refusal(response: httpx.Response, fields: dict[str, Any], place: str, token: str) -> NoReturn:
    """Raise the ProviderError of an answer that names no file."""
    status = response.status_code
    code, message = read_error(fields.get("error"))
    reason = (message or code or clean_text(fields.get("detail"), 200)).replace(token, "…")
    answer = f"{place} answered {status}" + (f": {reason}" if reason else "") + "."
    trace_id = parse_id(fields.get("trace_id"))
    if status in (408, 425, 429) or status >= 500:
        wait = retry_after(response.headers.get("retry-after", ""))
        raise _error(FAILED, answer, status=status, trace_id=trace_id, wait=wait)
    if status == 413:
        raise _error(TOO_LARGE, answer, status=status, trace_id=trace_id)
    if code == MODERATED:
        raise _error(MODERATED, answer, status=status, trace_id=trace_id)
    raise _error(REFUSED, answer, status=status, trace_id=trace_id)


def _error(
    code: str, message: str, *, status: int | None = None, trace_id: str = "", wait: float | None = None
) -> ProviderError:
    return ProviderError(code, message, status=status, trace_id=trace_id, sent=Sent.NEVER, retry_after=wait)
