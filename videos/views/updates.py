from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ..forms import FilterForm
from ..models import Event, Generation, Pool, State
from ..models.state import LONGEST_TRANSACTION
from .context import counts_for, ready_since
from .gallery import PAGE, Since, in_days, usual_seconds
from .generation import detail_context
from .params import parse_uuid


def _waiting(request: HttpRequest, rows) -> list[int] | None:
    """The queued rows, where the reason why they wait is another than the page knows; None where it is the same.

    A page says which it knows only while something is queued.
    """
    if "waits" not in request.GET:
        return None
    wait = Pool.current().wait
    if request.GET["waits"] == (wait.key if wait else ""):
        return None
    return list(rows.filter(state=State.QUEUED).values_list("pk", flat=True)[:PAGE])


@require_GET
def updates(request: HttpRequest) -> HttpResponse:
    """What changed since the page last asked: fragments that are swapped in, or 204."""
    if request.GET.get("hidden") == "1":
        # Nobody looks: only the numbers. Seen again, the page asks for what changed since it last was told.
        context = {"counts": counts_for(request.user), "ready": ready_since(request.user, request.GET.get("seen", ""))}
        return render(request, "gallery/_in_flight.html", context | {"oob": True})
    since = Since.read(request)
    rows = Generation.objects.changed_since(since.moment())
    if only := parse_uuid(request.GET.get("only", "")):
        rows = rows.filter(uuid=only)
    told, upto = since.tell(rows)
    waiting = _waiting(request, Generation.objects.filter(uuid=only) if only else Generation.objects.for_gallery())
    if not told and waiting is None:
        return HttpResponse(status=204)
    rows = Generation.objects.filter(pk__in=[*told, *(waiting or [])])
    news = list(rows.with_stars_of(request.user).select_related("member", "parent").order_by("-pk"))
    returned = set(
        Event.objects.filter(kind="restored", generation__in=told, at__gte=since.moment() - LONGEST_TRANSACTION)
        .values_list("generation_id", flat=True)
    )  # fmt: skip
    newest = since.newest
    shown = [row for row in news if not row.trashed_at]
    at_top = request.GET.get("top") == "1" and not only
    # Of what is new only that which the page's filters ask for.
    wall = Generation.objects.for_gallery(request.user, FilterForm(request.GET).filters(request.user))
    created = [row for row in shown if row.pk > newest]
    if created:
        created = list(wall.filter(pk__in=[row.pk for row in created]))
    if created and at_top:
        # All that the page lacks, also what it was only told the number of while it was not at its top.
        created = list(wall.filter(pk__gt=newest)[: PAGE + 1])
        at_top = len(created) <= PAGE  # more than a page of them is for the pill
    # Behind the pill they stay counted until they are loaded; at the top they are on the page now.
    upto.newest = max([newest, *(row.pk for row in created)]) if at_top else newest
    # They may not be on the page, which then puts them in their place: such as its filters ask for.
    restored = [] if only or not returned else list(wall.filter(pk__in=returned, pk__lte=newest))
    context = {
        "changed": [] if only else [row for row in shown if row.pk <= newest and row.pk not in returned],
        "restored_days": in_days(restored),
        "only": only,
        "gone": [row for row in news if row.trashed_at],
        "created_days": in_days(created) if at_top else [],
        "new_count": wall.filter(pk__gt=newest).count() if created and not at_top else 0,
        "counts": counts_for(request.user),
        "live": upto.state(),
        "usual": usual_seconds(),
    }
    if only and context["gone"]:
        context |= {"gone": [], "thrown_away": news[0], "may_restore": news[0].may_be_changed_by(request.user)}
    watched = only or parse_uuid(request.GET.get("watch", ""))
    if not only and (lost := next((row for row in news if row.trashed_at and row.uuid == watched), None)):
        context |= {"thrown_away": lost, "may_restore": lost.may_be_changed_by(request.user), "in_dialog": True}
    if detail := next((row for row in shown if row.uuid == watched), None):
        context |= detail_context(detail, request.user) | {"detail": detail, "in_dialog": not only}
    return render(request, "gallery/_updates.html", context)
