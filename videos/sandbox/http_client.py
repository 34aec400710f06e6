"""Outgoing HTTP: downloading the links of a request, and posting callbacks."""

import http.client
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from .errors import InvalidFile

DOWNLOAD_SECONDS = 20.0
READ_TIMEOUT = 10.0  # seconds until a response begins, and between two blocks of it
BLOCK_SIZE = 1 << 18
MAX_CALLBACK_RESPONSE = 1 << 16  # bytes


def download(url: str, max_bytes: int) -> bytes:
    """Download a file; raise InvalidFile if that fails, is too large or takes too long."""
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    try:
        with _opener(url).open(_request(url), timeout=READ_TIMEOUT) as response:
            blocks, size = [], 0
            while block := response.read1(BLOCK_SIZE):
                size += len(block)
                if size > max_bytes:
                    raise InvalidFile(f"larger than {max_bytes // 2**20} MB")
                if time.monotonic() > deadline:
                    raise InvalidFile(f"not read within {DOWNLOAD_SECONDS:.0f} seconds")
                blocks.append(block)
            return b"".join(blocks)
    except urllib.error.HTTPError as error:
        raise InvalidFile(f"the link answers {error.code}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InvalidFile(_reason(error)) from error


def post_json(url: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int | None, str]:
    """POST a JSON body without following redirects; return the status (None without a response) and the error."""
    request = _request(url, body, {"Content-Type": "application/json", **(headers or {})})
    try:
        with _opener(url, _NoRedirects()).open(request, timeout=READ_TIMEOUT) as response:
            response.read(MAX_CALLBACK_RESPONSE)
            return response.status, ""
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""
    except (OSError, ValueError, http.client.HTTPException) as error:
        return None, _reason(error)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _request(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> urllib.request.Request:
    return urllib.request.Request(url, body, {"User-Agent": "lumaweb-sandbox", "Accept": "*/*", **(headers or {})})


def _opener(url: str, *handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    host = urlsplit(url).hostname or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        handlers += (urllib.request.ProxyHandler({}),)  # loopback behind a proxy would be the proxy's own
    return urllib.request.build_opener(*handlers)
