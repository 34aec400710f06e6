"""Links by which somebody without an account may watch: what they see, and how members make and revoke them."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from ..forms import ShareForm
from ..keyset import read_page, rows_after
from ..models import Generation, Share, TooManyLinks
from ..models.lineage import path_to
from ..models.share import watchable
from . import delivery
from .navigation import site_origin
from .params import parse_uuid

PAGE = 48
# So that revoking a link is felt at once.
ASKED_EACH_TIME = "private, no-cache"

# ── Without an account ────────────────────────────────────────────────────────────────────────────────────────


def _closed(template: str, context: dict, status: int = 200) -> HttpResponse:
    """A page that knows nothing of who looks: without the request no account, cookie or count can get into it."""
    response = HttpResponse(render_to_string(template, context), status=status)
    response.headers["Cache-Control"] = "private, no-store"
    return _unseen(response)


def _unseen(response: HttpResponse) -> HttpResponse:
    """The address is the secret: nobody is told of it, and no search engine keeps it."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _gone() -> HttpResponse:
    """The same for whatever is no longer good or never was, so that nobody learns which links there are."""
    return _closed("shares/guest_gone.html", {}, status=404)


@login_not_required
@require_safe
def watch(request: HttpRequest, uuid: str, key: str) -> HttpResponse:
    """The video or the chain of a link, and nothing else."""
    share = Share.objects.opened_with(uuid, key)
    if not share:
        return _gone()
    if request.method == "GET":
        share.was_opened()
    clips = [
        {
            "video": reverse("watch-video", args=[share.uuid, key, clip.uuid]),
            "poster": reverse("watch-poster", args=[share.uuid, key, clip.uuid]),
            "words": clip.prompt if share.with_prompt else "",
            **{name: getattr(clip, name) for name in ("shape", "video_width", "video_height", "duration", "loop")},
        }
        for clip in share.clips
    ]
    return _closed("shares/guest.html", {"clips": clips})


def _clip(uuid: str, key: str, clip: UUID) -> Generation | None:
    share = Share.objects.opened_with(uuid, key)
    return next((row for row in share.clips if row.uuid == clip), None) if share else None


@login_not_required
@require_safe
def watch_video(request: HttpRequest, uuid: str, key: str, clip: UUID) -> HttpResponse:
    shown = _clip(uuid, key, clip)
    if not shown or not shown.video_file:
        return _gone()
    # Its link names it too, but a browser forgets that where the file comes from another address.
    name = "video.mp4" if request.GET.get("download") else ""
    stored, etag = shown.video_file, f'"{shown.sha256}"'
    try:
        response = delivery.video(request, stored, etag=etag, download_as=name, kept=ASKED_EACH_TIME)
    except Http404:
        return _gone()
    return _unseen(response)


@login_not_required
@require_safe
def watch_poster(request: HttpRequest, uuid: str, key: str, clip: UUID) -> HttpResponse:
    shown = _clip(uuid, key, clip)
    if not shown or not shown.poster_file:
        return _gone()
    try:
        response = delivery.picture(request, shown.poster_file, content_type="image/webp", kept=ASKED_EACH_TIME)
    except Http404:
        return _gone()
    return _unseen(response)


# ── For members ───────────────────────────────────────────────────────────────────────────────────────────────


def _site(request: HttpRequest) -> dict:
    """Where a link begins: at the address others reach us by, if one is known."""
    return {
        "site": site_origin(request),
        "only_here": settings.ON_LOOPBACK,
    }


def _links(request: HttpRequest, generation: Generation) -> dict:
    """What `shares/_links.html` shows."""
    links = list(generation.shares.live())
    for share in links:
        share.may_be_revoked = share.may_be_revoked_by(request.user)
    return _site(request) | {"generation": generation, "links": links}


def _cannot(generation: Generation) -> str:
    """Why a video cannot be shared, and what to do; "" where it can."""
    if generation.is_saved:
        return ""
    if generation.explanation and generation.state == "completed":
        return "It is not saved here, and a link shows the copy kept here. The video's page says why."
    if generation.state == "completed":
        return "It is still being saved here, and a link shows the copy kept here. Come back in a moment."
    if generation.is_open:
        return "It is still being made. It can be shared as soon as it is ready and saved here."
    return "There is no video to show."


@require_http_methods(["GET", "POST"])
def shares_of(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The links of one video; POST makes one. With htmx: what stands in the panel over the video."""
    generation = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    form = ShareForm(request.POST if request.method == "POST" else None, generation=generation)
    made, problem = None, ""
    if request.method == "POST" and form.is_valid():
        try:
            made = form.save(request.user)
        except TooManyLinks as error:
            problem = str(error)
        if not made and not problem:
            generation.refresh_from_db()
            problem = f"No link was made. {_cannot(generation) or 'It was moved to the trash meanwhile.'}"
    elif request.method == "POST":
        problem = " ".join(words for errors in form.errors.values() for words in errors)
    if made and not request.htmx:
        return redirect(f"{reverse('shares-of', args=[generation.uuid])}#link-{made.uuid}")
    context = _links(request, generation) | {"made": made, "problem": problem}
    status = 422 if problem else 200
    if request.htmx.target == "share-links":
        return render(request, "shares/_links.html", context | {"aloud": bool(made)}, status=status)
    path = path_to(generation)
    chain = watchable(path)
    context |= {"cannot": _cannot(generation), "chain": chain, "chain_lacks": len(path) - len(chain)}
    in_panel = request.htmx.target == "share-body"
    return render(request, "shares/_panel.html" if in_panel else "shares/shares.html", context, status=status)


@require_POST
def revocation(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Revoke a link: one's own, or any for an admin."""
    share = get_object_or_404(Share.objects.select_related("generation"), uuid=uuid)
    if not share.may_be_revoked_by(request.user):
        raise PermissionDenied("Only who made it or an admin may revoke a link.")
    words = "Revoked: the link opens nothing any more." if share.revoke(request.user) else "It was no longer good."
    if request.htmx.target == "share-links":
        return render(request, "shares/_links.html", _links(request, share.generation) | {"said": words})
    messages.info(request, words)
    if request.POST.get("from") == "team" and request.user.is_superuser:
        return redirect("shares")
    return redirect("shares-of", share.generation.uuid)


@require_GET
def all_shares(request: HttpRequest) -> HttpResponse:
    """Every link of the team that is good, for admins; pages follow by cursor."""
    if not request.user.is_superuser:
        raise PermissionDenied("Only an admin sees the links of everybody.")
    rows = Share.objects.live()
    # The last one of the page before, be it revoked since.
    if last := Share.objects.filter(uuid=parse_uuid(request.GET.get("before", ""))).first():
        rows = rows_after(rows, last.pk)
    page = read_page(rows, PAGE)
    context = _site(request) | {
        "links": page.rows,
        "first_url": reverse("shares") if last else "",
        "next_url": f"{reverse('shares')}?before={page.rows[-1].uuid}" if page.has_more else "",
    }
    return render(request, "shares/all.html", context)
