"""A member's own stars."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from ..models import Generation, Star


@require_POST
def star(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Put a member's own star on it, or take it off."""
    generation = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    generation.starred = request.POST.get("on") != "0"
    (Star.put if generation.starred else Star.take)(request.user, [generation])
    if not request.htmx:
        return redirect(generation)
    return render(request, "generation/_star.html", {"generation": generation, "page": generation.get_absolute_url()})
