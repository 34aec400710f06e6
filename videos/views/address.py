"""From where somebody knocks, and what is counted of it."""

import re

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone

# Wrong passwords from one address, whatever the names, before it is kept out as a whole: an office shares one.
AN_ADDRESS_MAY = 30


def client_address(request: HttpRequest) -> str:
    """From where somebody asks: what the trusted proxies saw, and never what the client says of itself.

    Each proxy adds the address it was reached from at the end of X-Forwarded-For, so with N of them the Nth from the
    end is the last that nobody outside could write. Without any, only the connection counts.
    """
    hops = settings.TRUSTED_PROXIES
    said = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    if hops and len(said) >= hops:
        return said[-hops][:45]
    return request.META.get("REMOTE_ADDR") or "127.0.0.1"


def name_tried(request: HttpRequest, credentials: dict | None = None) -> str:
    """The name somebody tries, in a form that can be stored whatever was sent."""
    name = (credentials or {}).get("username") or request.POST.get("username") or ""
    return re.sub(r"[^\w.@+-]", "?", str(name).encode("ascii", "replace").decode())[:150].lower()


def counted_by(request_or_attempt, credentials: dict | None = None) -> list:
    """By what wrong passwords are counted: name and address together, or the address alone once it is a storm."""
    address = getattr(request_or_attempt, "axes_ip_address", None) or getattr(request_or_attempt, "ip_address", None)
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    failed = AccessAttempt.objects.filter(ip_address=address, attempt_time__gte=since)
    storm = (failed.aggregate(all=Sum("failures_since_start"))["all"] or 0) >= AN_ADDRESS_MAY
    return ["ip_address"] if storm else [["username", "ip_address"]]
