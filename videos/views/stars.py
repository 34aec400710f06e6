"""A member's own stars."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from ..models import Generation, Star
from .requests import MemberRequest


@require_POST
def star(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Add or remove the member's star; `on` is "0" to remove it."""
    generation = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    starred = request.POST.get("on") != "0"
    (Star.add if starred else Star.remove)(request.user, [generation])
    if not request.htmx:
        return redirect(generation)
    starred_row = get_object_or_404(Generation.objects.for_gallery(request.user), pk=generation.pk)
    context = {"generation": starred_row, "page": generation.get_absolute_url()}
    return render(request, "generation/_star.html", context)
