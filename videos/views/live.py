from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from ..models import Generation
from .context import counts_for
from .gallery import Since, in_days, usual_seconds
from .generation import detail_context

MOST_CHANGES = 150


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@require_GET
def live(request: HttpRequest) -> HttpResponse:
    """What changed since the page last asked: fragments that are swapped in, or 204."""
    since = Since.read(request)
    asked_at = timezone.now().timestamp()
    rows = Generation.objects.changed_since(since.moment()).select_related("member", "parent").order_by("changed_at")
    only = request.GET.get("only", "")
    only = _uuid(request.GET.get("only", ""))
    if only:
        rows = rows.filter(uuid=only)
    changed = list(rows[:MOST_CHANGES])
    if len(changed) == MOST_CHANGES:
        # More than one answer should carry: the next poll goes on from here.
        asked_at = changed[-1].changed_at.timestamp()
    upto = Since.now(changed, asked_at)
    news = [row for row in changed if since.known.get(row.pk) != row.version]
    if not news:
        return HttpResponse(status=204)
    newest = since.newest
    shown = [row for row in news if not row.trashed_at]
    created = sorted((row for row in shown if row.pk > newest), key=lambda row: -row.pk)
    at_top = request.GET.get("top") == "1" and not only
    # Behind the pill they stay counted until they are loaded; at the top they are on the page now.
    upto.newest = max([newest, *(row.pk for row in created)]) if at_top else newest
    context = {
        "changed": [] if only else [row for row in shown if row.pk <= newest],
        "gone": [row for row in news if row.trashed_at],
        "created_days": in_days(created) if at_top else [],
        "new_count": Generation.objects.for_gallery().filter(pk__gt=newest).count() if created and not at_top else 0,
        "counts": counts_for(request.user),
        "live": upto.state(),
        "usual": usual_seconds(),
    }
    if only and shown:
        context |= detail_context(shown[0], request.user) | {"detail": shown[0]}
    return render(request, "videos/_live.html", context)
