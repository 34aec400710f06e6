"""Deliver saved files: from this process, by the proxy in front, or by a link into the bucket.

The caller has decided who may have the file; only this module knows how it is delivered.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.files.storage import Storage
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from ..file_names import attachment
from .ranges import is_known, ranged
from .streams import TooManyStreams

logger = logging.getLogger(__name__)

# A video's address and files never change.
FOR_A_YEAR = "private, max-age=31536000, immutable"
UNAVAILABLE = "The saved files are unavailable at the moment. Nothing is lost. Try again in a minute."
# Seconds for which no request waits for an object storage that has just failed to answer.
BACK_OFF_SECONDS = 5.0


def is_bucket(storage: Storage | Any) -> bool:
    """Return whether a storage keeps its files in a bucket instead of a local folder."""
    return hasattr(storage, "link")


def video(
    request: HttpRequest,
    stored: FieldFile,
    *,
    etag: str,
    download_as: str = "",
    cache_control: str = FOR_A_YEAR,
    by_link: bool = True,
) -> HttpResponseBase:
    """Return a saved video, in ranges so that players can seek. Raises Http404 if its file is missing.

    `by_link`: redirect to the bucket, if the video is in one.
    """
    return _deliver(request, stored, "video/mp4", etag, cache_control, download_as, by_link=by_link)


def picture(
    request: HttpRequest, stored: FieldFile, *, content_type: str, cache_control: str = FOR_A_YEAR
) -> HttpResponseBase:
    """Return a poster, a thumbnail or a frame. Raises Http404 if its file is missing."""
    # A file name is never used twice, so it identifies the content.
    etag = f'"{(stored.name or "").rpartition("/")[2]}"'
    return _deliver(request, stored, content_type, etag, cache_control)


def _deliver(
    request: HttpRequest,
    stored: FieldFile,
    content_type: str,
    etag: str,
    cache_control: str,
    download_as: str = "",
    by_link: bool = False,
) -> HttpResponseBase:
    headers = {
        "Content-Type": content_type,
        "Content-Disposition": attachment(download_as) if download_as else "inline",
        "ETag": etag,
        "Cache-Control": cache_control,
        "X-Content-Type-Options": "nosniff",
    }
    if is_known(request, etag):
        return HttpResponse(status=304, headers=headers)
    from_bucket = is_bucket(stored.storage)
    try:
        with _fail_fast():
            if from_bucket and by_link:
                return _redirect_to_bucket(request, stored, headers)
            if from_bucket and content_type.startswith("image/"):
                storage: Any = stored.storage
                return HttpResponse(storage.whole(stored.name), headers=headers)
            if settings.ACCEL_PREFIX and not from_bucket:
                return _accel_redirect(stored, headers)
            return ranged(request, stored, headers, from_bucket=from_bucket)
    except FileNotFoundError:
        raise Http404("the file is missing") from None
    except TooManyStreams as error:
        return unavailable(str(error))
    except OSError as error:
        logger.warning("file %s cannot be read: %s", stored.name, error)
        return unavailable(UNAVAILABLE)


def _accel_redirect(stored: FieldFile, headers: dict[str, str]) -> HttpResponse:
    """Have the proxy in front send the file from the same disk, so that no thread of ours waits for a client."""
    name = stored.name or ""
    if not stored.storage.exists(name):
        raise FileNotFoundError(name)
    return HttpResponse(headers=headers | {"X-Accel-Redirect": settings.ACCEL_PREFIX + quote(name)})


def _redirect_to_bucket(request: HttpRequest, stored: FieldFile, headers: dict[str, str]) -> HttpResponse:
    """Redirect to the bucket, which supports ranges, by a link that is valid for minutes.

    Videos only. Checking and signing a poster's link takes as long as reading its 18 KB (1.6 and 1.5 ms, measured
    beside the bucket), and browsers keep a poster for a year by its address, while a link changes every few minutes: a
    gallery of 48 would cost 48 more redirects and downloads each time.
    """
    storage: Any = stored.storage
    link = storage.link(
        stored.name,
        method=request.method,
        content_type=headers["Content-Type"],
        disposition=headers["Content-Disposition"],
    )
    # A browser may repeat the redirect for half the link's life, and the other half is left for playing. A guest's
    # requests are checked each time, so their redirects are not cached.
    half = storage.link_seconds // 2
    cacheable = headers["Cache-Control"] == FOR_A_YEAR
    cache_control = f"private, max-age={half}" if cacheable else "private, no-store"
    return HttpResponse(status=302, headers={"Location": link, "Cache-Control": cache_control})


_unavailable_until = 0.0


@contextmanager
def _fail_fast() -> Iterator[None]:
    """Raise ConnectionError at once after the object storage failed: pages need the threads that would wait for it."""
    global _unavailable_until
    if _unavailable_until:
        if time.monotonic() < _unavailable_until:
            raise ConnectionError("The object storage did not answer a moment ago.")
        # This request tests the storage; the others keep failing fast until it knows.
        _unavailable_until = time.monotonic() + BACK_OFF_SECONDS
    try:
        yield
    except ConnectionError:
        _unavailable_until = time.monotonic() + BACK_OFF_SECONDS
        raise
    except OSError:
        _unavailable_until = 0.0
        raise
    _unavailable_until = 0.0


def unavailable(message: str) -> HttpResponse:
    """Answer 503 with a sentence, for an address that is not a page."""
    headers = {"Cache-Control": "private, no-store", "Retry-After": "30"}
    return HttpResponse(f"{message}\n", status=503, content_type="text/plain; charset=utf-8", headers=headers)
