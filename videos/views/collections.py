"""Collections: their page, and which ones a video is in."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from ..models import Collection, Generation, TooManyCollections
from .generation import shelves_of
from .params import parse_uuid, parse_uuids

COVERS = 4
PAGE = 96


@require_POST
def collections_of(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Put a clip into the collections that were ticked, take it out of those that no longer are; `name` makes one.

    `was` are those that were ticked when the form was shown: what somebody else did meanwhile stays.
    """
    generation = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    was, wanted = (set(parse_uuids(request.POST.getlist(name))) for name in ("was", "in"))
    for shelf in Collection.objects.filter(uuid__in=was ^ wanted):
        (shelf.add([generation], request.user) if shelf.uuid in wanted else shelf.remove([generation]))
    problem = ""
    if name := _name(request):
        try:
            Collection.objects.named(name, request.user)[0].add([generation], request.user)
        except TooManyCollections as error:
            problem = str(error)
    if not request.htmx:
        if problem:
            messages.error(request, problem)
        return redirect(generation)
    context = shelves_of(generation) | {"generation": generation, "shelves_open": True, "problem": problem}
    return render(request, "collections/_memberships.html", context)


def _name(request: HttpRequest) -> str:
    """A name as it was typed, without what cannot be stored; "" for none."""
    return " ".join("".join(letter for letter in request.POST.get("name", "") if letter.isprintable()).split())[:80]


@require_http_methods(["GET", "POST"])
def collections(request: HttpRequest) -> HttpResponse:
    """The collections by name, pages follow by cursor; POST makes one."""
    if request.method == "POST":
        if not (name := _name(request)):
            messages.error(request, "Give the collection a name.")
            return redirect("collections")
        try:
            shelf, made = Collection.objects.named(name, request.user)
        except TooManyCollections as error:
            messages.error(request, str(error))
            return redirect("collections")
        messages.info(request, f"Made {shelf.name}." if made else f"There is a collection called {shelf.name} already.")
        return redirect("collections")
    shelves = Collection.objects.in_order()
    if last := Collection.objects.filter(uuid=parse_uuid(request.GET.get("after", ""))).first():
        shelves = shelves.after(last)
    # Their places are read for one page only.
    pks = list(shelves.values_list("pk", flat=True)[: PAGE + 1])
    shown = Collection.objects.filter(pk__in=pks[:PAGE]).in_order().with_sizes()
    shown = list(shown.select_related("created_by").with_covers(COVERS))
    context = {
        "shelves": [(shelf, _covers(shelf), _may_delete(request, shelf)) for shelf in shown],
        "first_url": reverse("collections") if last else "",
        "next_url": f"{reverse('collections')}?after={shown[-1].uuid}" if len(pks) > PAGE and shown else "",
    }
    return render(request, "collections/collections.html", context)


def _covers(shelf: Collection) -> list[UUID]:
    return [uuid for place in range(COVERS) if (uuid := getattr(shelf, f"cover_{place}"))]


def _may_delete(request: HttpRequest, shelf: Collection) -> bool:
    return request.user.is_superuser or shelf.created_by_id == request.user.pk


@require_POST
def renaming(request: HttpRequest, uuid: UUID) -> HttpResponse:
    shelf = get_object_or_404(Collection, uuid=uuid)
    name = _name(request)
    if not name:
        messages.error(request, "A collection needs a name.")
    elif not shelf.rename(name):
        messages.error(request, f"There is a collection called {name} already.")
    return redirect("collections")


@require_POST
def removal(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Delete a collection; its clips stay."""
    shelf = get_object_or_404(Collection, uuid=uuid)
    if not _may_delete(request, shelf):
        raise PermissionDenied("Only who made it or an admin may delete a collection.")
    shelf.delete()
    messages.info(request, f"Deleted the collection {shelf.name}. Its videos are still in the studio.")
    return redirect(reverse("collections"))
