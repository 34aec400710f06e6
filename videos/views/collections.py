"""Collections: their page, and which ones a video is in."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from ..forms.fields import COLLECTION_GONE, single_line
from ..keyset import read_page
from ..limits import COLLECTION_NAME_LENGTH
from ..models import Collection, CollectionGone, Generation, Member, TooManyCollections
from .collection_lists import renew_lists
from .navigation import previous_path
from .params import find_cursor, parse_uuid, parse_uuids
from .requests import MemberRequest

MAX_COVERS = 4
COVER_COLUMNS = ("uuid", "poster_color", "video_width", "video_height")
PAGE_SIZE = 96


def memberships_context(generation: Generation) -> dict[str, Any]:
    """Return the context of `collections/_memberships.html`."""
    return {
        "all_collections": Collection.objects.in_order(),
        "in_collections": set(generation.collections.values_list("pk", flat=True)),
    }


def collection_name(request: MemberRequest) -> str:
    """Return the submitted name without characters that cannot be stored or shown; "" for none."""
    return single_line(request.POST.get("name", ""))[:COLLECTION_NAME_LENGTH]


@require_POST
def collections_of(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Add a video to the checked collections and remove it from the unchecked ones; `name` creates a collection.

    `was` names those that were checked when the form was shown: what another member did meanwhile stays.
    """
    generation = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    was, wanted = (set(parse_uuids(request.POST.getlist(name))) for name in ("was", "in"))
    for collection in Collection.objects.filter(uuid__in=was ^ wanted):
        if collection.uuid in wanted:
            with suppress(CollectionGone):  # the answer lists those that are left
                collection.add([generation], request.user)
        else:
            collection.remove([generation])
    problem, created = "", None
    if name := collection_name(request):
        try:
            collection, is_new = Collection.objects.named(name, request.user)
            collection.add([generation], request.user)
            created = collection if is_new else None
        except TooManyCollections as error:
            problem = str(error)
        except CollectionGone:
            problem = COLLECTION_GONE
    if not request.htmx:
        if problem:
            messages.error(request, problem)
        return redirect(generation)
    context = {"generation": generation, "is_open": True, "problem": problem, "created": created}
    response = render(request, "collections/_memberships.html", memberships_context(generation) | context)
    return renew_lists(response) if created else response


def collection_link(collection: Collection) -> SafeString:
    """Return the name of a collection as a link to it, for a message."""
    return format_html('<a href="{}" dir="auto">{}</a>', collection.get_absolute_url(), collection.name)


@require_http_methods(["GET", "POST"])
def collections(request: MemberRequest) -> HttpResponse:
    """List the collections in order; POST creates one. `after`: the last collection of the previous page."""
    return _create(request) if request.method == "POST" else _list(request)


def _create(request: MemberRequest) -> HttpResponse:
    if not (name := collection_name(request)):
        messages.error(request, "Enter a name for the collection.")
        return redirect("collections")
    try:
        collection, created = Collection.objects.named(name, request.user)
    except TooManyCollections as error:
        messages.error(request, str(error))
    else:
        message = "Created {}." if created else "The collection {} exists already."
        messages.info(request, format_html(message, collection_link(collection)))
    return redirect("collections")


def _list(request: MemberRequest, query: Mapping[str, Any] | None = None) -> HttpResponse:
    """Show a page of the collections; for htmx only its grid, for the cursor in `query`."""
    rows = Collection.objects.in_order()
    cursor = find_cursor(Collection.objects.all(), (query or request.GET).get("after", ""))
    page = read_page(rows.after(cursor) if cursor else rows, PAGE_SIZE)
    # Sizes and covers are read for this page only.
    pks = [collection.pk for collection in page.rows]
    shown = Collection.objects.filter(pk__in=pks).in_order().with_sizes()
    collections = list(shown.select_related("created_by").with_covers(MAX_COVERS))
    covers = Generation.objects.only(*COVER_COLUMNS).in_bulk([pk for row in collections for pk in _cover_pks(row)])
    context = {
        "after": cursor.uuid if cursor else "",
        "collections": [
            (row, [covers[pk] for pk in _cover_pks(row) if pk in covers], _may_delete(request.user, row))
            for row in collections
        ],
        "first_url": reverse("collections") if cursor else "",
        "next_url": f"{reverse('collections')}?after={page.last.uuid}" if page.last else "",
    }
    template = "collections/_grid.html" if request.htmx else "collections/collections.html"
    return render(request, template, context)


def _may_delete(member: Member, collection: Collection) -> bool:
    """Its creator and the admins may delete a collection."""
    return collection.created_by_id == member.pk or member.is_superuser


def _cover_pks(collection: Collection) -> list[int]:
    return [pk for place in range(MAX_COVERS) if (pk := getattr(collection, f"cover_{place}"))]


@require_POST
def renaming(request: MemberRequest, uuid: UUID) -> HttpResponse:
    collection = get_object_or_404(Collection, uuid=uuid)
    name = collection_name(request)
    if not name:
        messages.error(request, "Enter a name for the collection.")
    elif not collection.rename(name):
        messages.error(request, f"The collection {name} exists already.")
    return redirect("collections")


def _neighbours(request: MemberRequest) -> list[tuple[str, UUID]]:
    sides = ((side, parse_uuid(request.POST.get(side, ""))) for side in ("before", "behind"))
    return [(side, uuid) for side, uuid in sides if uuid]


@require_POST
def place(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Move a collection in the team's order: in front of `before`, behind `behind`, or by `step`, 1 or -1."""
    problem = ""
    collection = get_object_or_404(Collection, uuid=uuid)
    try:
        if step := {"1": 1, "-1": -1}.get(request.POST.get("step", "")):
            Collection.objects.step(collection, step)
        else:
            others = {side: Collection.objects.get(uuid=uuid) for side, uuid in _neighbours(request)}
            Collection.objects.move(collection, **others)
    except (Collection.DoesNotExist, CollectionGone):
        problem = "Not moved: a collection was deleted meanwhile."
    if request.htmx:
        response = _list(request, request.POST)
        return trigger_client_event(response, "toast", {"text": problem}) if problem else response
    if problem:
        messages.error(request, problem)
    return redirect(previous_path(request) or "collections")


@require_POST
def removal(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Delete a collection; its videos stay."""
    collection = get_object_or_404(Collection, uuid=uuid)
    if not _may_delete(request.user, collection):
        raise PermissionDenied("Only its creator or an admin may delete a collection.")
    collection.delete()
    messages.info(request, f"Deleted the collection {collection.name}. Its videos are still in the gallery.")
    return redirect("collections")
