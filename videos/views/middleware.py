from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from ..models import Member


class SignInMiddleware(LoginRequiredMiddleware):
    """Everything is behind sign-in, except views marked with `login_not_required`."""

    def handle_no_permission(self, request: HttpRequest, view_func) -> HttpResponse:
        answer = super().handle_no_permission(request, view_func)
        if request.htmx:
            # The session ended while a fragment was asked for: the whole page goes to the sign-in, not one card.
            back = request.htmx.current_url_abs_path or reverse("studio")
            return HttpResponseClientRedirect(f"{reverse(settings.LOGIN_URL)}?next={back}")
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
