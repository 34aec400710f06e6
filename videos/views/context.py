"""The context that every page has."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Q
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from ..limits import Limits
from ..models import Generation, Member, Pool, Pricing, State

THEMES = ("dark", "light")


def counts_for(member: Member) -> dict[str, int]:
    """Count the videos in progress: `all`, this member's (`mine`), and those of all that are `queued`."""
    return Generation.objects.in_flight().aggregate(
        all=Count("pk"), mine=Count("pk", filter=Q(member=member)), queued=Count("pk", filter=Q(state=State.QUEUED))
    )


def ready_since(member: Member, timestamp: str) -> int:
    """Count this member's videos that became ready since a Unix timestamp in seconds; 0 if it is not one."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        return 0
    since = datetime.fromtimestamp(int(timestamp), UTC)
    # A ready video changed at that moment or later. The sum keeps SQLite from using the index on the member.
    rows = Generation.objects.filter(changed_at__gte=since).annotate(owner=F("member_id") + 0)
    return rows.filter(owner=member.pk, state=State.COMPLETED, trashed_at__isnull=True, finished_at__gte=since).count()


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the frame around every page; its queries are lazy, as few pages use them."""
    user = getattr(request, "user", None)
    member = user if isinstance(user, Member) and user.is_authenticated else None
    theme = (member and member.theme) or request.COOKIES.get("theme", "")
    context: dict[str, Any] = {
        "theme": theme if theme in THEMES else "",
        "limits": Limits(),
        "oidc": settings.OIDC,
        "password_sign_in": settings.PASSWORD_SIGN_IN,
    }
    if member:
        context["counts"] = SimpleLazyObject(lambda: counts_for(member))
        context["pool"] = SimpleLazyObject(Pool.current)
        context["pricing"] = SimpleLazyObject(Pricing.current)
    return context
