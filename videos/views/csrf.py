"""The answer to a form whose CSRF token does not match."""

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views import csrf


def failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse the form with 403; send a member who already signed in on to `next`.

    A sign-in replaces the CSRF token, so the sign-in page of a second tab always fails the check. Going on changes
    nothing, so it needs no token.
    """
    at_sign_in = request.resolver_match and request.resolver_match.url_name == "login"
    same_person = request.user.is_authenticated and request.POST.get("username") == request.user.get_username()
    if at_sign_in and same_person:
        sign_in = LoginView()
        sign_in.setup(request)
        return redirect(sign_in.get_success_url())
    return csrf.csrf_failure(request, reason=reason)
