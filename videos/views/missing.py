from datetime import UTC, datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from ..jobs.missing_tasks import adopt_all, list_missing
from .params import parse_int

LATEST = 10**17  # microseconds: the year 5138


def _admins_only(request: HttpRequest) -> None:
    if not request.user.is_superuser:
        raise PermissionDenied("Only an admin sees what is at the provider.")


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """The videos at the provider that are missing here; `before` (microseconds since 1970) pages."""
    _admins_only(request)
    moment = parse_int(request.GET.get("before"))
    before = datetime.fromtimestamp(moment / 1_000_000, UTC) if 0 < moment < LATEST else None
    missing = list_missing(before)
    older = round(missing.older.timestamp() * 1_000_000) if missing.older else None
    context = {"missing": missing, "older": older, "first": not before}
    return render(request, "provider/missing.html", context)


@require_POST
def adoptions(request: HttpRequest) -> HttpResponse:
    """Adopt the chosen tasks: each joins the gallery, or the video that was in doubt about it."""
    _admins_only(request)
    adopted, problems = adopt_all(request.POST.getlist("task"), request.user)
    if adopted:
        messages.success(request, "1 video adopted." if adopted == 1 else f"{adopted} videos adopted.")
    for problem in problems:
        messages.warning(request, problem)
    return redirect("missing")
