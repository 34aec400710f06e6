"""Share links to several videos: a selection of the gallery, or a collection."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from ..forms import ShareVideosForm, too_many
from ..limits import MAX_SHARED
from ..models import Collection, CollectionGone, Generation, Share, TooManyLinks
from ..models.share import watchable
from .params import parse_uuids
from .requests import MemberRequest
from .share_links import SELECTION, links_context, links_of_collection

COVERS = 6
# A collection may have thousands of videos, too many for a link: without their prompts they need little memory.
COLUMNS = ("uuid", "archive", "trashed_at", "poster_file", "poster_color", "video_width", "video_height")
TRASHED_MEANWHILE = "No link was created: the videos were moved to the trash meanwhile."
DELETED_MEANWHILE = "No link was created: the collection was deleted meanwhile."


@require_POST
def selection_share(request: MemberRequest) -> HttpResponse:
    """Show the form for a link to the selected videos; as a page, or in a dialog."""
    return _selection_form(request, _selected(request))


@require_http_methods(["GET", "POST"])
def selection_shares(request: MemberRequest) -> HttpResponse:
    """Create a link to the selected videos, in their order in the form."""
    if request.method == "GET":  # a reload of the page after an error
        return redirect("own-shares")
    rows = _selected(request)
    created, problem = _create(request, rows)
    if request.htmx.target == "share-links":
        return _links_fragment(
            request, links_context(request, [created] if created else [], place=SELECTION), created, problem
        )
    if created:
        return redirect(f"{reverse('own-shares')}#link-{created.uuid}")
    return _selection_form(request, rows, problem, status=422)


def _selected(request: MemberRequest) -> list[Generation]:
    """Return the selected videos in their order in the form; those that are not available are left out."""
    uuids = parse_uuids(request.POST.getlist("v"))
    rows = {row.uuid: row for row in Generation.objects.for_gallery(request.user).filter(uuid__in=uuids)}
    return [rows[uuid] for uuid in uuids if uuid in rows]


def _selection_form(
    request: MemberRequest, rows: list[Generation], problem: str = "", status: int = 200
) -> HttpResponse:
    context = _form_context(request, rows) | links_context(request, [], place=SELECTION)
    context |= {"action": reverse("selection-shares"), "problem": problem}
    return _render(request, context, status)


@require_http_methods(["GET", "POST"])
def shares_of_collection(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """List the links to a collection; POST creates one."""
    collection = get_object_or_404(Collection, uuid=uuid)
    rows = list(collection.generations.filter(trashed_at__isnull=True).order_by("-pk").only(*COLUMNS))
    created, problem = _create(request, rows, collection) if request.method == "POST" else (None, "")
    address = reverse("shares-of-collection", args=[collection.uuid])
    if created and not request.htmx:
        return redirect(f"{address}#link-{created.uuid}")
    links = links_of_collection(request, collection)
    if request.htmx.target == "share-links":
        return _links_fragment(request, links, created, problem)
    context = _form_context(request, rows) | links
    context |= {"action": address, "collection": collection, "problem": problem}
    return _render(request, context, 422 if problem else 200)


def _create(
    request: MemberRequest, rows: list[Generation], collection: Collection | None = None
) -> tuple[Share | None, str]:
    """Create a link from the submitted form; return it, or None and the reason."""
    form = ShareVideosForm(request.POST, videos=watchable(rows), collection=collection)
    if not form.is_valid():
        return None, form.problem
    try:
        created = form.save(request.user)
    except TooManyLinks as error:
        return None, str(error)
    except CollectionGone:
        return None, DELETED_MEANWHILE
    if not created:
        return None, TRASHED_MEANWHILE
    # Not only among live links: another member may revoke it, or delete the collection, before this.
    return Share.objects.select_related("collection").with_sizes().get(pk=created.pk), ""


def _form_context(request: MemberRequest, rows: list[Generation]) -> dict[str, Any]:
    """Return the context of `shares/_videos_panel.html` for these videos."""
    videos = watchable(rows)
    return {
        "videos": videos,
        "left_out": len(rows) - len(videos),
        "covers": [row for row in videos if row.poster_file][:COVERS],
        "why_not": _why_not(rows, videos),
        "submitted": request.POST if "days" in request.POST else None,
    }


def _why_not(rows: list[Generation], videos: list[Generation]) -> str:
    """Return why these videos cannot be shared; "" if they can."""
    if not rows:
        return "There are no videos to share."
    if not videos:
        return "None of these videos is saved, and a link shows the saved copies. Try again when they are ready."
    return too_many(len(videos)) if len(videos) > MAX_SHARED else ""


def _links_fragment(
    request: MemberRequest, context: dict[str, Any], created: Share | None, problem: str
) -> HttpResponse:
    context |= {"created": created, "problem": problem, "announce": bool(created)}
    return render(request, "shares/_links.html", context, status=422 if problem else 200)


def _render(request: MemberRequest, context: dict[str, Any], status: int) -> HttpResponse:
    in_dialog = request.htmx.target == "share-dialog"
    context["panel"] = "shares/_videos_panel.html"
    return render(request, "shares/_dialog.html" if in_dialog else "shares/videos.html", context, status=status)
