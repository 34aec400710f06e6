"""Pages for requests that fail: a CSRF mismatch, a storage outage, or an unexpected error."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.core.exceptions import DisallowedHost, TooManyFieldsSent
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseForbidden,
    HttpResponseServerError,
    JsonResponse,
)
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.views import csrf

from lumaweb import logs
from lumaweb.storage_errors import StorageProblem, storage_problem

RETRY_AFTER = 5  # seconds
LONG_TEXT = 40  # characters, from which on a submitted text is shown for copying
# Never written into a page; the form asks for them again.
SECRETS = ("password", "secret", "code", "token")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse the form with 403; redirect a member who already signed in to `next`.

    A sign-in replaces the CSRF token, so the sign-in page of a second tab always fails the check. Redirecting changes
    nothing, so it needs no token.
    """
    at_sign_in = request.resolver_match and request.resolver_match.url_name == "login"
    same_person = request.user.is_authenticated and request.POST.get("username") == request.user.get_username()
    if at_sign_in and same_person:
        sign_in = LoginView()
        sign_in.setup(request)
        return redirect(sign_in.get_success_url())
    if reason.startswith("Origin checking failed"):
        context = {"origin": request.headers["Origin"][:200], "opened": request.build_absolute_uri("/").rstrip("/")}
        return HttpResponseForbidden(render_to_string("403_origin.html", context))
    return csrf.csrf_failure(request, reason=reason)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400; say what to do if Lumaweb does not serve the host, which a stranger may have chosen."""
    if not isinstance(exception, DisallowedHost):
        # A selection sends one field for each video.
        max_fields = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS if isinstance(exception, TooManyFieldsSent) else 0
        return HttpResponseBadRequest(render_to_string("400.html", {"max_fields": max_fields}))
    return HttpResponseBadRequest(render_to_string("400_host.html", {"site_url": settings.SITE_URL}))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 without a session, a member or the database, any of which may be what failed."""
    # Django calls this inside its except block, for views and middleware alike.
    if problem := storage_problem(sys.exc_info()[1]):
        return storage_unavailable(request, problem)
    return HttpResponseServerError(render_to_string("500.html", {"request_id": logs.REQUEST.get()}))


@dataclass(frozen=True, slots=True)
class SubmittedField:
    name: str
    value: str

    @property
    def label(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def is_text(self) -> bool:
        """Whether a person wrote it and may want to copy it."""
        return len(self.value) > LONG_TEXT or "\n" in self.value or self.name == "prompt"


def storage_unavailable(request: HttpRequest, problem: StorageProblem) -> HttpResponse:
    """Answer 503 in the format the request expects; a page repeats the submitted form, without passwords and files."""
    is_post = request.method == "POST"
    if is_post:
        message = f"Lumaweb could not save this: {problem}. Try again in a moment. No video is requested twice."
    else:
        message = f"Lumaweb cannot show this: {problem}. Videos in progress continue. Try again in a moment."
    response: HttpResponse
    if request.headers.get("HX-Request"):
        # A toast shows it; the form stays on the page.
        response = HttpResponse(message, status=503, content_type="text/plain; charset=utf-8")
    elif "application/json" in request.headers.get("Accept", ""):
        response = JsonResponse({"error": message}, status=503)
    else:
        fields = list(_submitted_fields(request))
        context = {
            "message": message,
            # A form that broke off while it was read can only be sent by the browser that has it.
            "retry_url": request.get_full_path() if not is_post or fields else "/",
            "is_post": is_post,
            "submitted": is_post and bool(fields),
            "fields": fields,
            "has_files": is_post and bool(request.FILES),
            "csrf_token": get_token(request) if is_post else "",
            "request_id": logs.REQUEST.get(),
        }
        response = HttpResponse(render_to_string("503.html", context), status=503)
    response.headers["Retry-After"] = str(RETRY_AFTER)
    response.headers["Cache-Control"] = "no-store"
    return response


def _submitted_fields(request: HttpRequest) -> Iterator[SubmittedField]:
    for name, values in request.POST.lists():
        if name != "csrfmiddlewaretoken" and not any(secret in name for secret in SECRETS):
            yield from (SubmittedField(name, str(value)) for value in values)
