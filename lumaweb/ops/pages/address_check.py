"""The check of the public address on the provider page: the doctor's round trip, from a button."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from lumaweb.deadline import SingleFlight, TimedOut
from videos.views.access import admins_only
from videos.views.requests import MemberRequest
from videos.views.settings.provider import provider_page

from ..doctor.findings import Finding, warn
from ..doctor.public_url import public_url

CHECK_SECONDS = 20.0


@require_POST
@never_cache
@admins_only
def address_check(request: MemberRequest) -> HttpResponse:
    """Call the public address, which only the environment sets, and show what came back; change nothing."""
    findings = _findings() if settings.PUBLIC_URL else []
    context: dict[str, Any] = {
        "findings": findings,
        "address_warns": any(finding.level in ("warn", "fail") for finding in findings),
        "public_url": settings.PUBLIC_URL or "",
    }
    if request.htmx:
        return render(request, "settings/_address.html", context)
    return provider_page(request, **context)


def _findings() -> list[Finding]:
    try:
        return _round_trip.result(CHECK_SECONDS)
    except TimedOut as error:
        return [
            warn(
                "public-address-slow",
                "Public address does not answer",
                f"The address did not answer within {error.seconds:.0f} s.",
                "Check the proxy and the firewall.",
            )
        ]


# One at a time for all admins: the check calls this web server.
_round_trip = SingleFlight(lambda: list(public_url()))
