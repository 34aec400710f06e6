"""Share links to one video or its chain, revoking any link, and the lists of all links."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ..forms import ShareForm
from ..keyset import read_page, rows_after
from ..models import Collection, Generation, Share, TooManyLinks
from ..models.lineage import path_to
from ..models.share import ShareQuerySet, watchable
from .access import admins_only
from .params import find_cursor
from .requests import MemberRequest
from .share_links import (
    COLLECTION,
    OWN,
    SELECTION,
    TEAM,
    links_context,
    links_of_collection,
    links_of_member,
    links_of_video,
)

PAGE_SIZE = 48


def _why_not(generation: Generation) -> str:
    """Return why a video cannot be shared, and what to do; "" if it can."""
    if generation.is_saved:
        return ""
    if generation.explanation and generation.state == "completed":
        return "It is not saved, and a link shows the saved copy. See the video's page for the reason."
    if generation.state == "completed":
        return "It is still being saved, and a link shows the saved copy. Try again in a moment."
    if generation.is_open:
        return "It is still in progress. Share it when it is ready and saved."
    return "It has no video."


@require_http_methods(["GET", "POST"])
def shares_of(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """List the links of one video; POST creates one. For htmx: the content of the panel on the video's page."""
    generation = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    created, problem = _create(request, generation) if request.method == "POST" else (None, "")
    if created and not request.htmx:
        return redirect(f"{reverse('shares-of', args=[generation.uuid])}#link-{created.uuid}")
    context = links_of_video(request, generation) | {"created": created, "problem": problem}
    status = 422 if problem else 200
    if request.htmx.target == "share-links":
        return render(request, "shares/_links.html", context | {"announce": bool(created)}, status=status)
    path = path_to(generation)
    chain = watchable(path)
    context |= {"why_not": _why_not(generation), "chain": chain, "chain_lacks": len(path) - len(chain)}
    context["panel"] = "shares/_panel.html"
    templates = {"share-body": "shares/_panel.html", "share-dialog": "shares/_dialog.html"}
    return render(request, templates.get(request.htmx.target or "", "shares/shares.html"), context, status=status)


def _create(request: MemberRequest, generation: Generation) -> tuple[Share | None, str]:
    """Create a link from the submitted form; return it, or None and the reason."""
    form = ShareForm(request.POST, generation=generation)
    if not form.is_valid():
        return None, form.problem
    try:
        if created := form.save(request.user):
            return created, ""
    except TooManyLinks as error:
        return None, str(error)
    generation.refresh_from_db()
    return None, f"No link was created. {_why_not(generation) or 'The video was moved to the trash meanwhile.'}"


@require_POST
def revocation(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Revoke a link: one's own, or any for an admin. `from`: the place of the list that the button stands in."""
    share = get_object_or_404(Share.objects.select_related("generation"), uuid=uuid)
    if not share.may_be_revoked_by(request.user):
        raise PermissionDenied("Only its creator or an admin may revoke a link.")
    was_live = share.revoke(request.user)
    message = "Revoked. The link no longer opens anything." if was_live else "The link had expired or been revoked."
    address, context = _place(request, share)
    if request.htmx.target == "share-links":
        return render(request, "shares/_links.html", context | {"message": message})
    messages.info(request, message)
    return redirect(address)


def _place(request: MemberRequest, share: Share) -> tuple[str, dict[str, Any]]:
    """Return the address and the current content of the list that a link was revoked in."""
    place = request.POST.get("from", "")
    if place == TEAM and request.user.is_superuser:
        return reverse("shares"), {}
    # A process of an earlier version deletes a collection without clearing the link's column.
    if (
        place == COLLECTION
        and share.collection_id
        and (collection := Collection.objects.filter(pk=share.collection_id).first())
    ):
        address = reverse("shares-of-collection", args=[collection.uuid])
        return address, links_of_collection(request, collection)
    if generation := find_cursor(Generation.objects.all(), place) or (share.generation if place != OWN else None):
        return reverse("shares-of", args=[generation.uuid]), links_of_video(request, generation)
    return reverse("own-shares"), links_context(request, [], place=SELECTION)


@require_GET
def own_shares(request: MemberRequest) -> HttpResponse:
    """List the valid links of this member, latest first."""
    return _list(request, links_of_member(request.user), OWN, "own-shares", "shares/own.html")


@require_GET
@admins_only
def all_shares(request: MemberRequest) -> HttpResponse:
    """List every valid link of the team, latest first."""
    return _list(request, Share.objects.live().with_sizes(), TEAM, "shares", "shares/all.html")


def _list(request: MemberRequest, live: ShareQuerySet, place: str, name: str, template: str) -> HttpResponse:
    """Show one page of these links. `before`: the last link of the previous page."""
    # That link may have been revoked since.
    cursor = find_cursor(Share.objects.all(), request.GET.get("before", ""))
    page = read_page(rows_after(live, cursor.pk) if cursor else live, PAGE_SIZE)
    context = links_context(request, page.rows, place=place) | {
        "first_url": reverse(name) if cursor else "",
        "next_url": f"{reverse(name)}?before={page.last.uuid}" if page.last else "",
    }
    return render(request, template, context)
