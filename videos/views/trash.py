from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from ..models import Generation
from ..models.state import KEPT_IN_TRASH
from .params import parse_uuid

PAGE = 48


@require_GET
def trash(request: HttpRequest) -> HttpResponse:
    """What a member threw away (an admin sees everybody's), the latest first; pages follow by cursor."""
    rows = everything = Generation.objects.for_trash(request.user)
    # The last one of the page before; the first page again where it has left the trash since.
    if last := everything.filter(uuid=parse_uuid(request.GET.get("after", ""))).first():
        rows = rows.filter(Q(trashed_at__lt=last.trashed_at) | Q(trashed_at=last.trashed_at, pk__lt=last.pk))
    generations = list(rows[: PAGE + 1])
    more = len(generations) > PAGE
    generations = generations[:PAGE]
    context = {
        "generations": generations,
        "days": KEPT_IN_TRASH.days,
        "first_url": reverse("trash") if last else "",
        "next_url": f"{reverse('trash')}?after={generations[-1].uuid}" if more else "",
    }
    return render(request, "trash/trash.html", context)
