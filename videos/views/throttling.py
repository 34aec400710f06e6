"""Failed-attempt counting: passwords, set-up codes and requested links, by client address and username."""

from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import salted_hmac

# Failures from one address, whatever the usernames, before the address is locked out: an office shares one.
MAX_FAILURES_PER_ADDRESS = 30
# Counted apart from the sign-in and from each other. The values are stored with the attempts.
SETUP_CODE, CURRENT_PASSWORD = "set-up code", "present password"
OPENID = "OpenID Connect"
# Counted the same way, though requesting a link or a test mail once is no failure.
PASSWORD_RESET, TEST_MAIL = "new password", "test mail"


def username_digest(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """Return what is stored of a username: a digest, since it may be a password typed into the wrong field."""
    credentials = credentials or {}
    name = str(credentials.get("username") or request.POST.get("username") or "").casefold()
    # The kind is part of the salt: a username must never share a counter with the set-up code.
    salt = f"videos.{credentials.get('kind', 'sign-in')}"
    return salted_hmac(salt, name.encode("utf-8", "replace"), algorithm="sha256").hexdigest()


def lockout_parameters(
    request_or_attempt: Any, credentials: dict[str, Any] | None = None
) -> list[str] | list[list[str]]:
    """Return what failures are counted by: username and address, or the address alone after many of them.

    Each path counts alone: wrong set-up codes do not block the sign-in.
    """
    address = getattr(request_or_attempt, "axes_ip_address", None) or getattr(request_or_attempt, "ip_address", None)
    path = getattr(request_or_attempt, "axes_path_info", None) or getattr(request_or_attempt, "path_info", "")
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    failed = AccessAttempt.objects.filter(ip_address=address, path_info=path, attempt_time__gte=since)
    failures = failed.aggregate(all=Sum("failures_since_start"))["all"] or 0
    return ["ip_address"] if failures >= MAX_FAILURES_PER_ADDRESS else [["username", "ip_address"]]


def attempt_allowed(request: HttpRequest, kind: str, owner: str = "") -> bool:
    """Return whether this address may try another secret of this kind; `owner` names whose secret it is."""
    return bool(AxesProxyHandler.is_allowed(_bare_request(request, kind), {"username": owner, "kind": kind}))


def record_failure(request: HttpRequest, kind: str, owner: str = "") -> None:
    """Count a wrong secret of this kind. An address may fail 5 times for each owner, and 30 times in all."""
    credentials = {"username": owner, "kind": kind}
    AxesProxyHandler.user_login_failed(
        sender=record_failure, credentials=credentials, request=_bare_request(request, kind)
    )


def _bare_request(request: HttpRequest, kind: str) -> HttpRequest:
    """Copy only the client address: axes stores the rest of a request, which may hold a password."""
    bare = HttpRequest()
    names = ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR")
    bare.META = {name: request.META[name] for name in names if name in request.META} | {"PATH_INFO": kind}
    return bare


def lockout_response(
    request: HttpRequest, response: HttpResponse | None = None, credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """Answer 429 after too many failures, without looking at the secret that was sent."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    if request.resolver_match and request.resolver_match.url_name == "login":
        message = (
            f"Too many wrong passwords from your network. Wait {minutes} minutes and try again. If you forgot your "
            "password, ask an admin for a new one."
        )
        form = AuthenticationForm(request, initial={"username": request.POST.get("username", "")[:150]})
        context = {"form": form, "lockout_message": message, "next": request.POST.get("next", "")}
        page = render(request, "registration/login.html", context, status=429)
    else:
        message = (
            f"Too many failed attempts from your network. Nothing was changed. Wait {minutes} minutes and try again."
        )
        page = render(request, "account/locked_out.html", {"lockout_message": message}, status=429)
    page.headers["Retry-After"] = str(minutes * 60)
    return page
