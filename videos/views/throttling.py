"""From where somebody knocks, and what is counted of it."""

from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import salted_hmac

# Wrong passwords from one address, whatever the names, before it is kept out as a whole: an office shares one.
MAX_FAILURES_PER_ADDRESS = 30
# Secrets that are counted apart from the sign-in and from each other.
SETUP_CODE, CURRENT_PASSWORD = "set-up code", "present password"
# Counted in the same way, though nothing is wrong with asking for it once.
PASSWORD_RESET = "new password"


def username_digest(request: HttpRequest, credentials: dict | None = None) -> str:
    """What is stored of the name somebody tries: a digest, as a password typed into the wrong field is one, too."""
    credentials = credentials or {}
    name = str(credentials.get("username") or request.POST.get("username") or "").casefold()
    # The kind is part of the salt: a username must never share a counter with the set-up code.
    salt = f"videos.{credentials.get('kind', 'sign-in')}"
    return salted_hmac(salt, name.encode("utf-8", "replace"), algorithm="sha256").hexdigest()


def lockout_parameters(request_or_attempt, credentials: dict | None = None) -> list:
    """By what wrong passwords are counted: name and address together, or the address alone once it is a storm.

    A storm is counted for each path alone: wrong set-up codes do not block the sign-in.
    """
    address = getattr(request_or_attempt, "axes_ip_address", None) or getattr(request_or_attempt, "ip_address", None)
    path = getattr(request_or_attempt, "axes_path_info", None) or getattr(request_or_attempt, "path_info", "")
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    failed = AccessAttempt.objects.filter(ip_address=address, path_info=path, attempt_time__gte=since)
    storm = (failed.aggregate(all=Sum("failures_since_start"))["all"] or 0) >= MAX_FAILURES_PER_ADDRESS
    return ["ip_address"] if storm else [["username", "ip_address"]]


def _bare(request: HttpRequest, kind: str) -> HttpRequest:
    """Copy only the client address: with what else was sent, a password perhaps, nothing is to be stored."""
    bare = HttpRequest()
    names = ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR")
    bare.META = {name: request.META[name] for name in names if name in request.META} | {"PATH_INFO": kind}
    return bare


def attempt_allowed(request: HttpRequest, kind: str, of: str = "") -> bool:
    """Tell whether this address may try another secret of this kind; `of` names whose secret it is."""
    return AxesProxyHandler.is_allowed(_bare(request, kind), {"username": of, "kind": kind})


def record_failure(request: HttpRequest, kind: str, of: str = "") -> None:
    """Count a wrong secret of this kind: five for each `of`, thirty in all, from one address."""
    credentials = {"username": of, "kind": kind}
    AxesProxyHandler.user_login_failed(sender=record_failure, credentials=credentials, request=_bare(request, kind))


def lockout_response(
    request: HttpRequest, answer: HttpResponse | None = None, credentials: dict | None = None
) -> HttpResponse:
    """For whoever tried too many passwords, links or codes: the right one is not looked at either for a while."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    if request.resolver_match.url_name == "login":
        words = (
            f"Too many wrong passwords came from your address. Wait {minutes} minutes and try again. If you forgot "
            "yours, ask your admin for a new one."
        )
        form = AuthenticationForm(request, initial={"username": request.POST.get("username", "")[:150]})
        context = {"form": form, "lockout_message": words, "next": request.POST.get("next", "")}
        response = render(request, "registration/login.html", context, status=429)
    else:
        words = f"Too many wrong tries came from your address. Nothing was done. Wait {minutes} minutes and try again."
        response = render(request, "account/locked_out.html", {"lockout_message": words}, status=429)
    response.headers["Retry-After"] = str(minutes * 60)
    return response
