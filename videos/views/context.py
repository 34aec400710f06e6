from datetime import UTC, datetime

from django.db.models import Count, F, Q
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from ..models import Generation, Pool, State

THEMES = ("dark", "light")


def counts_for(member) -> dict[str, int]:
    """How many videos are in the making: `mine` and `all`; and how many of all are `queued`."""
    return Generation.objects.in_flight().aggregate(
        all=Count("pk"), mine=Count("pk", filter=Q(member=member)), queued=Count("pk", filter=Q(state=State.QUEUED))
    )


def ready_since(member, seen: str) -> int:
    """How many of this member's videos became ready since then, in unix seconds; what is no number counts as now."""
    if not (seen.isascii() and seen.isdigit() and len(seen) < 12):
        return 0
    since = datetime.fromtimestamp(int(seen), UTC)
    # What became ready changed then or later. The sum keeps SQLite from looking through all that is the member's.
    rows = Generation.objects.filter(changed_at__gte=since).annotate(whose=F("member_id") + 0)
    return rows.filter(whose=member.pk, state=State.COMPLETED, trashed_at__isnull=True, finished_at__gte=since).count()


def shell(request: HttpRequest) -> dict:
    """What the frame around every page shows; `counts` and the token `pool` are only asked for where they are used."""
    member = getattr(request, "user", None)
    known = member and member.is_authenticated
    theme = (known and member.theme) or request.COOKIES.get("theme", "")
    context = {"theme": theme if theme in THEMES else ""}
    if known:
        context["counts"] = SimpleLazyObject(lambda: counts_for(member))
        context["pool"] = SimpleLazyObject(Pool.current)
    return context
