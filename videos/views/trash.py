"""The trash."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from ..keyset import read_page, rows_after
from ..models import Generation, StoragePolicy
from .params import find_cursor
from .requests import MemberRequest

PAGE_SIZE = 48


@require_GET
def trash(request: MemberRequest) -> HttpResponse:
    """List a member's trash, or everyone's for an admin, latest first. `after`: the last video of the previous page."""
    trashed = Generation.objects.for_trash(request.user)
    # If that video has left the trash since, show the first page.
    cursor = find_cursor(trashed, request.GET.get("after", ""))
    rows = rows_after(trashed, cursor.trashed_at, cursor.pk) if cursor else trashed
    page = read_page(rows, PAGE_SIZE)
    policy = StoragePolicy.current()
    context = {
        "generations": [(row, row.purged_from(policy)) for row in page.rows],
        "days": policy.trash_days,
        "first_url": reverse("trash") if cursor else "",
        "next_url": f"{reverse('trash')}?after={page.last.uuid}" if page.last else "",
    }
    return render(request, "trash/trash.html", context)
