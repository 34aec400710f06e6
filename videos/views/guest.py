"""What a guest sees of a share link, without an account: its videos and nothing else."""

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_safe

from ..file_names import file_name
from ..limits import MAX_SHARED
from ..models import Generation, Share
from . import delivery
from .generation import download_name
from .params import parse_int
from .streams import TooManyStreams
from .zips import videos_with_files, zip_response

# The fields of a video that say nothing about its request or its member.
SHOWN = ("shape", "poster_color", "video_width", "video_height", "duration", "loop")

logger = logging.getLogger(__name__)

# Guests revalidate every file, so that a revoked link stops working at once.
REVALIDATE = "private, no-cache"


def _page(template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Render a page without the request, so that nothing of an account, a cookie or a count can get into it."""
    response = HttpResponse(render_to_string(template, context), status=status)
    response.headers["Cache-Control"] = "private, no-store"
    _keep_secret(response)
    return response


def _keep_secret(response: HttpResponseBase) -> None:
    """Keep the address, which is the secret, from other sites and search engines."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"


def _not_found() -> HttpResponse:
    """Return the same page for every invalid link, so that nobody learns which links exist."""
    return _page("shares/guest_gone.html", {}, status=404)


@login_not_required
@require_safe
def guest_page(request: HttpRequest, uuid: str, key: str) -> HttpResponse:
    """Show the video, the chain or the several videos of a share link."""
    share = Share.objects.opened_with(uuid, key)
    # A followed collection may be empty for a while: its link stays valid.
    if not share or not (share.videos or share.follows):
        return _not_found()
    if request.method == "GET":
        share.count_visit()
    context = {"share": share, "videos": [_shown(share, key, row) for row in share.videos]}
    if share.generation:
        return _page("shares/guest.html", context)
    context |= {
        "total_seconds": round(sum(row.duration or 0 for row in share.videos)),
        "total_bytes": sum(row.size_bytes or 0 for row in share.videos),
        "simulated": any(row.is_simulated for row in share.videos),
        "most": MAX_SHARED if len(share.videos) == MAX_SHARED else None,
        "zip_url": reverse("guest-zip", args=[share.uuid, key]),
    }
    return _page("shares/guest_videos.html", context)


def _shown(share: Share, key: str, row: Generation) -> dict[str, Any]:
    """Return what the page shows of a video: no more than the link allows."""
    return {
        "video": reverse("guest-video", args=[share.uuid, key, row.uuid]),
        "poster": reverse("guest-poster", args=[share.uuid, key, row.uuid]),
        "prompt": row.prompt if share.with_prompt else "",
        "simulated": row.is_simulated,
        "seconds": round(row.duration or 0),
        **{name: getattr(row, name) for name in SHOWN},
    }


def _shared_video(uuid: str, key: str, video: UUID) -> tuple[Share | None, Generation | None]:
    share = Share.objects.opened_with(uuid, key)
    return share, share.video(video) if share else None


@login_not_required
@require_safe
def guest_video(request: HttpRequest, uuid: str, key: str, video: UUID) -> HttpResponseBase:
    """Send a video of the link. `download`: its number on the page; save it as a file instead of playing it."""
    share, generation = _shared_video(uuid, key, video)
    if not share or not generation or not generation.video_file:
        return _not_found()
    number = request.GET.get("download")
    if number and not share.download:
        return _not_found()
    # The link names the file too, but a browser ignores that if the file comes from another origin.
    name = _single_name(share, parse_int(number)) if number else ""
    etag = f'"{generation.sha256}"'
    try:
        response = delivery.video(request, generation.video_file, etag=etag, download_as=name, cache_control=REVALIDATE)
    except Http404:
        return _not_found()
    _keep_secret(response)
    return response


def _single_name(share: Share, number: int) -> str:
    return file_name(share.title, ".mp4" if share.generation and not share.chain else f"-{number:02}.mp4")


def _zip_members(share: Share, rows: Sequence[Generation]) -> dict[str, Generation]:
    """Name the files so that they sort in the order of the page; after their prompts only if the page shows those."""
    digits = max(2, len(str(len(rows))))
    names = [download_name(row) if share.with_prompt else file_name(share.title, ".mp4") for row in rows]
    return {f"{number:0{digits}}-{name}": row for number, (name, row) in enumerate(zip(names, rows, strict=True), 1)}


@login_not_required
@require_safe
def guest_zip(request: HttpRequest, uuid: str, key: str) -> HttpResponseBase:
    """Send all videos of the link as one ZIP, if it allows downloads."""
    share = Share.objects.opened_with(uuid, key)
    if not share or not share.download or not share.videos:
        return _not_found()
    try:
        sizes = videos_with_files(share.videos)
        if not sizes:
            return _not_found()
        response = zip_response(file_name(share.title, ".zip"), _zip_members(share, [*sizes]), sizes)
    except OSError as error:
        logger.warning("no archive for a guest: %s", error)
        return delivery.unavailable(delivery.UNAVAILABLE)
    except TooManyStreams as error:
        return delivery.unavailable(str(error))
    response.headers["Cache-Control"] = "private, no-store"
    _keep_secret(response)
    return response


@login_not_required
@require_safe
def guest_poster(request: HttpRequest, uuid: str, key: str, video: UUID) -> HttpResponseBase:
    _, generation = _shared_video(uuid, key, video)
    if not generation or not generation.poster_file:
        return _not_found()
    try:
        response = delivery.picture(
            request, generation.poster_file, content_type="image/webp", cache_control=REVALIDATE
        )
    except Http404:
        return _not_found()
    _keep_secret(response)
    return response
