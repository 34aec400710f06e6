import logging
import re
import time
import uuid

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

from ..models import Member
from .navigation import previous_path

logger = logging.getLogger(__name__)
access = logging.getLogger("lumaweb.access")

# What compresses; pictures and videos do not.
TEXT = re.compile(r"text/|application/(json|javascript|manifest\+json)\b|image/svg\+xml\b")
BROTLI = re.compile(r"\bbr\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
# What open tabs ask by themselves: nobody has done anything, and it is to cost no query more.
POLLS = {"live", "compare-news"}
NUMBER = re.compile("[A-Za-z0-9._-]{8,64}")
SMALL = 200  # bytes, below which nothing is won


class RequestMiddleware:
    """Give each request a number, which is in the log and in the answer; and with LUMAWEB_ACCESS_LOG a line of its own.

    A proxy that is trusted may give it; from anybody else it would only be a way to write into our log.
    """

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        number = _given_number(request) or uuid.uuid4().hex
        token, about = logs.REQUEST.set(number), logs.GENERATION.set("")
        try:
            response = self.get_response(request)
            response.headers["X-Request-ID"] = number
            if settings.ACCESS_LOG:
                _log(request, response.status_code, round((time.perf_counter() - began) * 1000, 1))
            return response
        finally:
            logs.REQUEST.reset(token)
            logs.GENERATION.reset(about)


def _given_number(request: HttpRequest) -> str:
    said = request.META.get("HTTP_X_REQUEST_ID", "") if settings.TRUSTED_PROXIES else ""
    return said if NUMBER.fullmatch(said) else ""


def _log(request: HttpRequest, status: int, ms: float) -> None:
    # Whoever was looked up already: a line of the log is worth no query.
    member = getattr(request, "_cached_user", None)
    facts = {"method": request.method, "path": request.path, "status": status, "ms": ms}
    if member is not None and member.pk:
        facts["member"] = member.pk
    # The query is left out: there may be words in it that are being searched for.
    access.info("%s %s %s in %s ms", request.method, request.path, status, ms, extra={"facts": facts})


class CompressionMiddleware(GZipMiddleware):
    """Compress pages only: a file is streamed, in ranges and with the length a player seeks by.

    Brotli takes a fifth off what gzip leaves, for the same time.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        a_part = response.streaming or response.has_header("Content-Range")
        if a_part or response.has_header("Content-Encoding") or not TEXT.match(response.get("Content-Type", "")):
            return response
        patch_vary_headers(response, ("Accept-Encoding",))
        if not BROTLI.search(request.headers.get("Accept-Encoding", "")) or len(response.content) < SMALL:
            return super().process_response(request, response)
        response.content = brotli.compress(response.content, quality=5)
        response.headers["Content-Encoding"] = "br"
        response.headers["Content-Length"] = len(response.content)
        return response


class OwnSessionMiddleware(SessionMiddleware):
    """Look up only such session keys as are made here: PostgreSQL refuses a query with a NUL in it."""

    def process_request(self, request: HttpRequest) -> None:
        if not re.fullmatch("[a-z0-9]{8,40}", request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")):
            request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
        super().process_request(request)


class SignInMiddleware(LoginRequiredMiddleware):
    """Everything is behind sign-in, except views marked with `login_not_required`."""

    def process_view(self, request: HttpRequest, view_func, args, kwargs) -> HttpResponse | None:
        answer = super().process_view(request, view_func, args, kwargs)
        polled = getattr(request.resolver_match, "url_name", "") in POLLS
        if answer is None and getattr(view_func, "login_required", True) and not polled:
            try:
                request.user.seen()
            except DatabaseError:
                # Nobody is kept from a page by it.
                logger.warning("when a member was last here could not be noted", exc_info=True)
        return answer

    def handle_no_permission(self, request: HttpRequest, view_func) -> HttpResponse:
        answer = super().handle_no_permission(request, view_func)
        if request.htmx:
            # The session ended while a fragment was asked for: the whole page goes to the sign-in, not one card.
            back = previous_path(request) or reverse("studio")
            return HttpResponseClientRedirect(redirect_to_login(back, reverse(settings.LOGIN_URL)).url)
        return answer


class FirstVisitMiddleware:
    """While there is no member, a visitor is led to the set-up of the first admin."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response
        self.done = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view_func, args, kwargs) -> HttpResponse | None:
        if self.done or getattr(request.resolver_match, "url_name", "") not in ("studio", "login"):
            return None
        self.done = Member.objects.exists()
        return None if self.done else redirect("setup")


class PrivatePagesMiddleware:
    """Pages of a team are no search engine's business, and no shared cache's."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("X-Robots-Tag", "noindex, nofollow")
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response
