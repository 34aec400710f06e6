"""What a guest sees of a share link, without an account: its videos and nothing else."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_safe

from ..models import Generation, Share
from . import delivery

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
    """Show the video or the chain of a share link."""
    share = Share.objects.opened_with(uuid, key)
    if not share:
        return _not_found()
    if request.method == "GET":
        share.count_visit()
    videos = [
        {
            "video": reverse("guest-video", args=[share.uuid, key, row.uuid]),
            "poster": reverse("guest-poster", args=[share.uuid, key, row.uuid]),
            "prompt": row.prompt if share.with_prompt else "",
            "simulated": row.is_simulated,
            **{name: getattr(row, name) for name in ("shape", "video_width", "video_height", "duration", "loop")},
        }
        for row in share.videos
    ]
    return _page("shares/guest.html", {"videos": videos})


def _shared_video(uuid: str, key: str, video: UUID) -> Generation | None:
    share = Share.objects.opened_with(uuid, key)
    return next((row for row in share.videos if row.uuid == video), None) if share else None


@login_not_required
@require_safe
def guest_video(request: HttpRequest, uuid: str, key: str, video: UUID) -> HttpResponseBase:
    generation = _shared_video(uuid, key, video)
    if not generation or not generation.video_file:
        return _not_found()
    # The link names the file too, but a browser ignores that if the file comes from another origin.
    name = "video.mp4" if request.GET.get("download") else ""
    etag = f'"{generation.sha256}"'
    try:
        response = delivery.video(request, generation.video_file, etag=etag, download_as=name, cache_control=REVALIDATE)
    except Http404:
        return _not_found()
    _keep_secret(response)
    return response


@login_not_required
@require_safe
def guest_poster(request: HttpRequest, uuid: str, key: str, video: UUID) -> HttpResponseBase:
    generation = _shared_video(uuid, key, video)
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
