"""Share links: how members create and revoke them."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ..forms import ShareForm
from ..keyset import read_page, rows_after
from ..models import Generation, Share, TooManyLinks
from ..models.lineage import path_to
from ..models.share import watchable
from .access import admins_only
from .navigation import site_origin
from .params import find_cursor
from .requests import MemberRequest

PAGE_SIZE = 48


def _site_context(request: HttpRequest) -> dict[str, Any]:
    """Return the origin of the links, and whether only this machine can open them."""
    return {"site": site_origin(request), "is_local": settings.ON_LOOPBACK}


def _links_context(request: MemberRequest, generation: Generation) -> dict[str, Any]:
    """Return the context of `shares/_links.html`."""
    links = [(share, share.may_be_revoked_by(request.user)) for share in generation.shares.live()]
    return _site_context(request) | {"generation": generation, "links": links}


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
    context = _links_context(request, generation) | {"created": created, "problem": problem}
    status = 422 if problem else 200
    if request.htmx.target == "share-links":
        return render(request, "shares/_links.html", context | {"announce": bool(created)}, status=status)
    path = path_to(generation)
    chain = watchable(path)
    context |= {"why_not": _why_not(generation), "chain": chain, "chain_lacks": len(path) - len(chain)}
    in_panel = request.htmx.target == "share-body"
    return render(request, "shares/_panel.html" if in_panel else "shares/shares.html", context, status=status)


def _create(request: MemberRequest, generation: Generation) -> tuple[Share | None, str]:
    """Create a link from the submitted form; return it, or None and the reason."""
    form = ShareForm(request.POST, generation=generation)
    if not form.is_valid():
        return None, " ".join(str(error) for errors in form.errors.values() for error in errors)
    try:
        if created := form.save(request.user):
            return created, ""
    except TooManyLinks as error:
        return None, str(error)
    generation.refresh_from_db()
    return None, f"No link was created. {_why_not(generation) or 'The video was moved to the trash meanwhile.'}"


@require_POST
def revocation(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Revoke a link: one's own, or any for an admin."""
    share = get_object_or_404(Share.objects.select_related("generation"), uuid=uuid)
    if not share.may_be_revoked_by(request.user):
        raise PermissionDenied("Only its creator or an admin may revoke a link.")
    was_live = share.revoke(request.user)
    message = "Revoked. The link no longer opens anything." if was_live else "The link had expired or been revoked."
    if request.htmx.target == "share-links":
        context = _links_context(request, share.generation) | {"message": message}
        return render(request, "shares/_links.html", context)
    messages.info(request, message)
    if request.POST.get("from") == "team" and request.user.is_superuser:
        return redirect("shares")
    return redirect("shares-of", share.generation.uuid)


@require_GET
@admins_only
def all_shares(request: MemberRequest) -> HttpResponse:
    """List every valid link of the team, latest first. `before`: the last link of the previous page."""
    live = Share.objects.live()
    # That link may have been revoked since.
    cursor = find_cursor(Share.objects.all(), request.GET.get("before", ""))
    page = read_page(rows_after(live, cursor.pk) if cursor else live, PAGE_SIZE)
    context = _site_context(request) | {
        "links": page.rows,
        "first_url": reverse("shares") if cursor else "",
        "next_url": f"{reverse('shares')}?before={page.last.uuid}" if page.last else "",
    }
    return render(request, "shares/all.html", context)
