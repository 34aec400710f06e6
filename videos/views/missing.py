"""Videos that the provider has and Lumaweb does not."""

from datetime import UTC, datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from ..jobs.missing_tasks import adopt_all, list_missing
from .access import admins_only
from .params import parse_int
from .requests import MemberRequest

LATEST = 10**17  # microseconds: the year 5138


@require_GET
@admins_only
def missing(request: MemberRequest) -> HttpResponse:
    """List the provider's tasks that are missing here; `before` (microseconds since 1970) is the cursor."""
    moment = parse_int(request.GET.get("before"))
    before = datetime.fromtimestamp(moment / 1_000_000, UTC) if 0 < moment < LATEST else None
    found = list_missing(before)
    older = round(found.older.timestamp() * 1_000_000) if found.older else None
    return render(request, "provider/missing.html", {"missing": found, "older": older, "first": not before})


@require_POST
@admins_only
def adoptions(request: MemberRequest) -> HttpResponse:
    """Adopt the chosen tasks: each joins the gallery, or becomes the result of the unconfirmed video it belongs to."""
    adopted, problems = adopt_all(request.POST.getlist("task"), request.user)
    if adopted:
        messages.success(request, "1 video adopted." if adopted == 1 else f"{adopted} videos adopted.")
    for problem in problems:
        messages.warning(request, problem)
    return redirect("missing")
