from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from ..keyset import read_page, rows_after
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
        rows = rows_after(rows, last.trashed_at, last.pk)
    page = read_page(rows, PAGE)
    context = {
        "generations": page.rows,
        "days": KEPT_IN_TRASH.days,
        "first_url": reverse("trash") if last else "",
        "next_url": f"{reverse('trash')}?after={page.rows[-1].uuid}" if page.has_more else "",
    }
    return render(request, "trash/trash.html", context)
