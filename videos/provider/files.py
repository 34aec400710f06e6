"""Handing a picture to the provider, for an installation from which the provider cannot fetch one."""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from .client import read_body, timeouts
from .errors import ProviderError, retry_after
from .parsing import error_words
from .types import PUBLIC_BASE_URL, Sent, Whose
from .values import clean_text, identifier, moment, parse_json, web_link

# The documented most for one picture.
MAX_UPLOAD_BYTES = 25_000_000
# Seconds for one upload, however slowly it moves.
UPLOAD_AT_MOST = 120.0
API_PATH, PLATFORM_PATH = "/files/upload", "/api/v1/files/"
PLATFORM_URL = "https://platform.acedata.cloud"

# The codes of an upload that brought no link. Nothing of the paid request was sent: each has Sent.NEVER.
REFUSED = "upload_refused"
FAILED = "upload_failed"
TOO_LARGE = "upload_too_large"
MODERATED = "content_moderation"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file at the provider; expires_at is None where it does not say, endpoint is the address that took it."""

    url: str
    expires_at: datetime | None
    endpoint: str


def upload_endpoints(base_url: str) -> tuple[str, str]:
    """Return the two documented addresses for files, best first.

    The platform has a host of its own for the public API only: a token is never sent to a host that is merely guessed.
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
    """Upload one picture with the API token and return its link; raise ProviderError, always as never sent.

    `known_endpoint` is the address that took the last one, and is tried first. The other is tried only where the first
    refuses, never where it fails for the moment.
    """
    if len(content) > MAX_UPLOAD_BYTES:
        raise _error(TOO_LARGE, f"The picture has {len(content):,} bytes; {MAX_UPLOAD_BYTES:,} are the most.")
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise _error("not_sent", "The API token cannot be sent.", whose=Whose.ADMIN)
    if not web_link(base_url):
        raise _error("not_sent", "The provider's address is not usable.", whose=Whose.ADMIN)
    part = {"file": (filename, content, content_type)}
    refusals: list[ProviderError] = []
    for endpoint in sorted(upload_endpoints(base_url), key=lambda one: one != known_endpoint):
        try:
            return await _upload(client, endpoint, token, part)
        except ProviderError as error:
            if error.code == REFUSED or (refusals and error.code == FAILED):
                # What the second address cannot do at the moment, the first has refused for good.
                refusals.append(error)
                continue
            raise
    raise _error(
        REFUSED, " ".join(refusal.message for refusal in refusals), status=refusals[0].status, whose=Whose.ADMIN
    )


async def _upload(client: httpx.AsyncClient, endpoint: str, token: str, part: dict[str, Any]) -> UploadedFile:
    where = f"{urlsplit(endpoint).netloc}{urlsplit(endpoint).path}"
    try:
        request = client.build_request(
            "POST",
            endpoint,
            files=part,
            headers={"accept": "application/json", "authorization": f"Bearer {token}"},
            timeout=timeouts(None),
        )
        async with asyncio.timeout(UPLOAD_AT_MOST):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                body = await read_body(response)
            finally:
                await response.aclose()
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
        raise _error("not_sent", "The provider's address is not usable.", whose=Whose.ADMIN) from error
    except (httpx.HTTPError, httpx.StreamError, OSError) as error:
        # OSError covers asyncio's TimeoutError.
        raise _error(FAILED, f"The connection to {where} ended before the picture was taken.") from error
    document = parse_json(body)
    fields = document if isinstance(document, dict) else {}
    code, said = error_words(fields.get("error"))
    said = (said or code or clean_text(fields.get("detail"), 200)).replace(token, "…")
    answer = f"{where} answered {response.status_code}" + (f": {said}" if said else "") + "."
    trace: dict[str, Any] = {"status": response.status_code, "trace_id": identifier(fields.get("trace_id"))}
    if response.status_code in (408, 425, 429) or response.status_code >= 500:
        raise _error(FAILED, answer, wait=retry_after(response.headers.get("retry-after", "")), **trace)
    if response.status_code == 413:
        raise _error(TOO_LARGE, answer, **trace)
    if code == MODERATED:
        raise _error(MODERATED, answer, whose=Whose.MEMBER, **trace)
    return _read(response, fields, endpoint) or _refuse(answer, trace)


def _read(response: httpx.Response, fields: dict[str, Any], endpoint: str) -> UploadedFile | None:
    """Read the link of a file that was taken; None for any other answer."""
    inner = fields.get("data")
    inner = inner if isinstance(inner, dict) else {}
    named = [one.get(name) for one in (fields, inner) for name in ("url", "file_url")]
    url = next(filter(None, map(web_link, named)), "")
    if not response.is_success or fields.get("success") is False or not url:
        return None
    return UploadedFile(url, moment(fields.get("expires_at") or inner.get("expires_at")), endpoint)


def _refuse(answer: str, trace: dict[str, Any]) -> UploadedFile:
    raise _error(REFUSED, answer, whose=Whose.ADMIN, **trace)


def _error(
    code: str,
    message: str,
    *,
    status: int | None = None,
    trace_id: str = "",
    whose: Whose = Whose.NOBODY,
    wait: float | None = None,
) -> ProviderError:
    return ProviderError(
        code, message, status=status, trace_id=trace_id, whose=whose, sent=Sent.NEVER, retry_after=wait
    )
