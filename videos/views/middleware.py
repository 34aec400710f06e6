"""Middleware: request IDs and access log, compression, sessions, sign-in, the first visit, and private pages."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import brotli
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect

from lumaweb import logs

from ..models import Member, histogram
from .navigation import previous_path

logger = logging.getLogger(__name__)
access_logger = logging.getLogger("lumaweb.access")

GetResponse = Callable[[HttpRequest], HttpResponse]

# What compresses; pictures and videos do not.
COMPRESSIBLE = re.compile(r"text/|application/(json|javascript|manifest\+json)\b|image/svg\+xml\b")
ACCEPTS_BROTLI = re.compile(r"\bbr\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
MIN_COMPRESSED_BYTES = 200
# Open tabs send these without anybody doing anything, so they do not count as activity and cost no extra query.
POLLS = {"updates", "compare-updates", "provider-account-reading"}
# Not measured: /readyz answers 503 by design, and nobody waits for these.
PROBES = {"/healthz", "/readyz", "/metrics"}
REQUEST_ID = re.compile("[A-Za-z0-9._-]{8,64}")


class RequestMiddleware:
    """Give each request an ID for the log and the response; with LUMAWEB_ACCESS_LOG write a line about it.

    Only a trusted proxy may set the ID: anybody else could write into our log with it.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        request_id = _proxy_request_id(request) or uuid.uuid4().hex
        request_token, generation_token = logs.REQUEST.set(request_id), logs.GENERATION.set("")
        try:
            response = self.get_response(request)
            response.headers["X-Request-ID"] = request_id
            seconds = time.perf_counter() - started
            if request.path not in PROBES:
                histogram.observe("http", f"{response.status_code // 100}xx", seconds)
            if settings.ACCESS_LOG:
                _log_access(request, response.status_code, round(seconds * 1000, 1))
            return response
        finally:
            logs.REQUEST.reset(request_token)
            logs.GENERATION.reset(generation_token)


def _proxy_request_id(request: HttpRequest) -> str:
    value: str = request.META.get("HTTP_X_REQUEST_ID", "") if settings.TRUSTED_PROXIES else ""
    return value if REQUEST_ID.fullmatch(value) else ""


def _log_access(request: HttpRequest, status: int, milliseconds: float) -> None:
    # Only a member who was loaded already: a log line is not worth a query.
    member = getattr(request, "_cached_user", None)
    facts: dict[str, Any] = {"method": request.method, "path": request.path, "status": status, "ms": milliseconds}
    if member is not None and member.pk:
        facts["member"] = member.pk
    # Without the query string, which may hold search words.
    access_logger.info("%s %s %s in %s ms", request.method, request.path, status, milliseconds, extra={"facts": facts})


class CompressionMiddleware(GZipMiddleware):
    """Compress pages only: files are sent in ranges, and with the length that players need to seek.

    Brotli leaves a fifth less than gzip, in the same time.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not isinstance(response, HttpResponse) or response.has_header("Content-Range"):
            return response
        if response.has_header("Content-Encoding") or not COMPRESSIBLE.match(response.get("Content-Type", "")):
            return response
        patch_vary_headers(response, ("Accept-Encoding",))
        accepts_brotli = ACCEPTS_BROTLI.search(request.headers.get("Accept-Encoding", ""))
        if not accepts_brotli or len(response.content) < MIN_COMPRESSED_BYTES:
            return super().process_response(request, response)
        response.content = brotli.compress(response.content, quality=5)
        response.headers["Content-Encoding"] = "br"
        response.headers["Content-Length"] = str(len(response.content))
        return response


class OwnSessionMiddleware(SessionMiddleware):
    """Ignore session keys that Django could not have made: PostgreSQL refuses a query with a NUL in it."""

    def process_request(self, request: HttpRequest) -> None:
        if not re.fullmatch("[a-z0-9]{8,40}", request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")):
            request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
        super().process_request(request)


class SignInMiddleware(LoginRequiredMiddleware):
    """Require a sign-in for every view that is not marked with `login_not_required`."""

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        response: HttpResponseBase | None = super().process_view(request, view_func, args, kwargs)
        is_poll = getattr(request.resolver_match, "url_name", "") in POLLS
        if response is None and getattr(view_func, "login_required", True) and not is_poll:
            member: Any = request.user
            try:
                member.record_activity()
            except DatabaseError:
                # Not worth failing the request for.
                logger.warning("the time a member was last seen could not be stored", exc_info=True)
        return response

    def handle_no_permission(self, request: HttpRequest, view_func: Callable[..., Any]) -> Any:
        response = super().handle_no_permission(request, view_func)
        if getattr(request, "htmx", False):
            # The session ended under an open page: send the whole page to the sign-in, not a fragment of it.
            back = previous_path(request) or reverse("studio")
            return HttpResponseClientRedirect(redirect_to_login(back, reverse(settings.LOGIN_URL)).url)
        return response


class FirstVisitMiddleware:
    """Redirect visitors to the set-up page while there is no member."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.has_members = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if self.has_members or getattr(request.resolver_match, "url_name", "") not in ("studio", "login"):
            return None
        self.has_members = Member.objects.exists()
        return None if self.has_members else redirect("setup")


class PrivatePagesMiddleware:
    """Keep pages out of search engines and shared caches."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("X-Robots-Tag", "noindex, nofollow")
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response
