"""Saved files on their way to whoever asks: by ourselves, by the proxy in front, or by a link into the bucket.

Who may have a file has been decided before; this is the only room that knows how it gets there.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from .ranges import is_known, ranged
from .streams import TooManyStreams

logger = logging.getLogger(__name__)

# The address is the video's and its files never change.
FOR_A_YEAR = "private, max-age=31536000, immutable"
NOT_NOW = "The saved files cannot be reached at the moment. Nothing is lost: try again in a minute."
# Seconds in which nobody waits for an object storage that has just failed to answer.
REST = 5.0


def is_bucket(storage) -> bool:
    """Return whether a storage keeps its files in a bucket instead of a local folder."""
    return hasattr(storage, "link")


def video(
    request: HttpRequest, stored, *, etag: str, download_as: str = "", kept: str = FOR_A_YEAR, by_link: bool = True
) -> HttpResponseBase:
    """Answer a saved video in ranges, so that players can seek; `by_link`: from the bucket itself, if it is in one.

    Raises Http404 where its file is missing.
    """
    return _delivered(request, stored, "video/mp4", etag, kept, download_as, by_link=by_link)


def picture(request: HttpRequest, stored, *, content_type: str, kept: str = FOR_A_YEAR) -> HttpResponseBase:
    """Answer a poster, a still or a frame. Raises Http404 where its file is missing."""
    # A name in our storage is given once, so it says all there is to say about what is in it.
    return _delivered(request, stored, content_type, f'"{stored.name.rpartition("/")[2]}"', kept)


def _delivered(
    request: HttpRequest, stored, content_type: str, etag: str, kept: str, download_as: str = "", by_link: bool = False
) -> HttpResponseBase:
    headers = {
        "Content-Type": content_type,
        "Content-Disposition": content_disposition_header(bool(download_as), download_as) or "inline",
        "ETag": etag,
        "Cache-Control": kept,
        "X-Content-Type-Options": "nosniff",
    }
    if is_known(request, etag):
        return HttpResponse(status=304, headers=headers)
    from_bucket = is_bucket(stored.storage)
    try:
        with _unless_away():
            if from_bucket and by_link:
                return _by_a_link(request, stored, headers)
            if from_bucket and content_type.startswith("image/"):
                return HttpResponse(stored.storage.whole(stored.name), headers=headers)
            if settings.ACCEL_PREFIX and not from_bucket:
                return _by_the_proxy(stored, headers)
            return ranged(request, stored, headers, from_bucket=from_bucket)
    except FileNotFoundError:
        raise Http404("the file is missing") from None
    except TooManyStreams as error:
        return _not_now(str(error))
    except OSError as error:
        logger.warning("file %s cannot be read: %s", stored.name, error)
        return _not_now(NOT_NOW)


def _by_the_proxy(stored, headers: dict[str, str]) -> HttpResponse:
    """Name the file to the proxy in front, which sends it from the same disk: no thread of ours waits for a visitor."""
    if not stored.storage.exists(stored.name):
        raise FileNotFoundError(stored.name)
    return HttpResponse(headers=headers | {"X-Accel-Redirect": settings.ACCEL_PREFIX + quote(stored.name)})


def _by_a_link(request: HttpRequest, stored, headers: dict[str, str]) -> HttpResponse:
    """Lead to the bucket, which knows ranges, by a link that is good for minutes.

    Videos only. A poster comes through us: to look and to sign takes as long as to read its 18 KB (1.6 and 1.5 ms here,
    the bucket beside us), and it is kept for a year by its address, where a link is another one each time: a wall of 48
    would be 48 redirects and 48 downloads more every few minutes.
    """
    link = stored.storage.link(
        stored.name,
        method=request.method,
        content_type=headers["Content-Type"],
        disposition=headers["Content-Disposition"],
    )
    # A browser may go the same way again for half the link's life, and then has the video still; where each asking is
    # to be decided anew, as for who watches by a share, it asks.
    half = stored.storage.link_seconds // 2
    kept = f"private, max-age={half}" if headers["Cache-Control"] == FOR_A_YEAR else "private, no-store"
    return HttpResponse(status=302, headers={"Location": link, "Cache-Control": kept})


_away_until = 0.0


@contextmanager
def _unless_away() -> Iterator[None]:
    """Do not have every thread wait for an object storage that is silent: pages need them. Raises ConnectionError."""
    global _away_until
    if _away_until:
        if time.monotonic() < _away_until:
            raise ConnectionError("The object storage did not answer a moment ago.")
        # This one asks whether it is back; the others are spared until it knows.
        _away_until = time.monotonic() + REST
    try:
        yield
    except ConnectionError:
        _away_until = time.monotonic() + REST
        raise
    except OSError:
        _away_until = 0.0
        raise
    _away_until = 0.0


def _not_now(words: str) -> HttpResponse:
    headers = {"Cache-Control": "private, no-store", "Retry-After": "30"}
    return HttpResponse(f"{words}\n", status=503, content_type="text/plain; charset=utf-8", headers=headers)
