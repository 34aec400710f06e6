"""Sign in by the header of a proxy that authenticates (LUMAWEB_AUTH_HEADER)."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse

from lumaweb.sign_in import AuthProxy

from ..models import Member
from .access import SESSION_BACKEND

SESSION_KEY = "proxy_username"
# Marks the session of an admin who used a one-time link. The proxy does not replace it: it may name no member at all.
BY_LINK = "signed_in_by_link"
# Pages without a sign-in that use the proxy's header nevertheless.
PUBLIC_PAGES = {"login", "invitation"}


def named_by_proxy(request: HttpRequest) -> str:
    """Return the username in the proxy's header, "" without one.

    Only the address of the connection counts: clients can write X-Forwarded-For. The web server drops headers with an
    underscore in the name, and joins several with a comma, so none of them can imitate or extend the proxy's.
    """
    proxy: AuthProxy | None = settings.AUTH_PROXY
    if proxy is None or not proxy.trusts(request.META.get("REMOTE_ADDR", "")):
        return ""
    value: str = request.META.get(proxy.meta_name, "")
    try:
        name = value.encode("latin-1").decode().strip()  # as WSGI passes headers
    except UnicodeError:
        return ""
    return name if len(name) <= 150 and name.isprintable() and "," not in name else ""


class ProxySignInMiddleware:
    """Sign in the member that the proxy names, and end that session when the header or its setting is removed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view_func: Callable[..., Any], args: Any, kwargs: Any) -> None:
        page = getattr(request.resolver_match, "url_name", "")
        if not getattr(view_func, "login_required", True) and page not in PUBLIC_PAGES:
            return
        if request.session.get(BY_LINK) and request.user.is_authenticated:
            return
        name, signed_in_as = named_by_proxy(request), request.session.get(SESSION_KEY)
        if signed_in_as is not None and signed_in_as != name:
            logout(request)
        if name and not (request.user.is_authenticated and request.user.get_username().lower() == name.lower()):
            _sign_in(request, name)


def _sign_in(request: HttpRequest, name: str) -> None:
    """Sign in the active member with this username, and sign out every other."""
    if request.user.is_authenticated:
        logout(request)
    # Databases fold more letters than case: to PostgreSQL "ſ" is another "s", and to the proxy it is another person.
    candidates = Member.objects.filter(username__iexact=name, is_active=True)
    found = [one for one in candidates if one.username.lower() == name.lower()]
    # Names that differ in case only can exist; then none of them may pass for another.
    if member := next((one for one in found if one.username == name or len(found) == 1), None):
        login(request, member, backend=SESSION_BACKEND)
        request.session[SESSION_KEY] = name
