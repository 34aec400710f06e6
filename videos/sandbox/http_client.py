"""Reading other people's links, and writing to their callbacks."""

import http.client
import io
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image, ImageOps

IMAGE_BYTES, VIDEO_BYTES = 25 * 2**20, 300 * 2**20
IMAGE_PIXELS = 50_000_000
LONGEST_FETCH = 20.0  # seconds for a whole download
PATIENCE = 10.0  # seconds for one answer to begin, or one block of it to come

Image.MAX_IMAGE_PIXELS = IMAGE_PIXELS


class Unreadable(Exception):
    """A link that could not be used; the sentence says why."""


def fetch(url: str, most_bytes: int) -> bytes:
    """Download what a link leads to; Unreadable when that fails, is too large or takes too long."""
    until = time.monotonic() + LONGEST_FETCH
    try:
        with _opener(url).open(_request(url), timeout=PATIENCE) as answer:
            parts, size = [], 0
            while block := answer.read1(1 << 18):
                size += len(block)
                if size > most_bytes:
                    raise Unreadable(f"larger than {most_bytes // 2**20} MB")
                if time.monotonic() > until:
                    raise Unreadable(f"not read within {LONGEST_FETCH:.0f} seconds")
                parts.append(block)
            return b"".join(parts)
    except urllib.error.HTTPError as error:
        raise Unreadable(f"the link answers {error.code}") from error
    except (OSError, ValueError, urllib.error.URLError, http.client.HTTPException) as error:
        raise Unreadable(str(getattr(error, "reason", None) or error) or type(error).__name__) from error


def save_image(encoded: bytes, target: Path) -> None:
    """Save a picture as an upright RGB PNG; Unreadable when it is none."""
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            if picture.width * picture.height > IMAGE_PIXELS:
                raise Unreadable(f"{picture.width}x{picture.height} pixels are too many")
            # Far more pixels than any clip has would only make every later step slow.
            picture.draft("RGB", (2048, 2048))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Unreadable("not a picture that can be read") from error
    upright.thumbnail((2048, 2048))
    target.parent.mkdir(parents=True, exist_ok=True)
    upright.save(target, compress_level=1)


def post_json(url: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int | None, str]:
    """POST a JSON body, following no redirect; the status (None: no answer) and what went wrong."""
    request = _request(url, body, {"Content-Type": "application/json", **(headers or {})})
    try:
        with _opener(url, _StayHere).open(request, timeout=PATIENCE) as answer:
            answer.read(1 << 16)
            return answer.status, ""
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""
    except (OSError, ValueError, http.client.HTTPException) as error:
        return None, str(getattr(error, "reason", None) or error) or type(error).__name__


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _request(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> urllib.request.Request:
    return urllib.request.Request(url, body, {"User-Agent": "lumaweb-sandbox", "Accept": "*/*", **(headers or {})})


def _opener(url: str, *handlers: Any) -> urllib.request.OpenerDirector:
    host = urlsplit(url).hostname or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        handlers += (urllib.request.ProxyHandler({}),)  # a proxy's loopback is not ours
    return urllib.request.build_opener(*handlers)
