"""Pages for requests that fail: a CSRF mismatch, a storage outage, or an unexpected error."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseServerError, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.views import csrf

from lumaweb import logs
from lumaweb.storage_errors import StorageProblem, storage_problem

RETRY_AFTER = 5  # seconds
LONG = 40  # characters, from which on a text is shown for copying
# Never written into a page; the form asks for them again.
SECRETS = ("password", "secret", "code", "token")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
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


def server_error(request: HttpRequest) -> HttpResponse:
    """Say so with nothing that could break as well: no session, no member, no database."""
    # Django calls this inside its except block, for views and middleware alike.
    if problem := storage_problem(sys.exc_info()[1]):
        return storage_unavailable(request, problem)
    return HttpResponseServerError(render_to_string("500.html", {"number": logs.REQUEST.get()}))


@dataclass(frozen=True, slots=True)
class Field:
    """One submitted value."""

    name: str
    value: str

    @property
    def label(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def is_text(self) -> bool:
        """Whether somebody wrote it, and would not want to write it again."""
        return len(self.value) > LONG or "\n" in self.value or self.name == "prompt"


def storage_unavailable(request: HttpRequest, problem: StorageProblem) -> HttpResponse:
    """Answer 503 in the form the request can use; a page repeats the submitted form, without passwords and files."""
    if request.method != "POST":
        words = f"Lumaweb cannot show this: {problem}. Videos being made go on being made. Try again in a moment."
    else:
        words = f"Lumaweb could not save this: {problem}. Try again in a moment. No video is requested twice."
    if request.headers.get("HX-Request"):
        # The toast shows it; the form stays on the page as it is.
        answer = HttpResponse(words, status=503, content_type="text/plain; charset=utf-8")
    elif "application/json" in request.headers.get("Accept", ""):
        answer = JsonResponse({"error": words}, status=503)
    else:
        fields = list(_submitted(request))
        context = {
            "words": words,
            # A form that broke off while it was read can only be sent by the browser that has it.
            "again": request.get_full_path() if request.method != "POST" or fields else "/",
            "post": request.method == "POST",
            "submitted": request.method == "POST" and bool(fields),
            "fields": fields,
            "files": request.method == "POST" and bool(request.FILES),
            "csrf_token": get_token(request) if request.method == "POST" else "",
            "number": logs.REQUEST.get(),
        }
        answer = HttpResponse(render_to_string("503.html", context), status=503)
    answer.headers["Retry-After"] = str(RETRY_AFTER)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _submitted(request: HttpRequest) -> Iterator[Field]:
    for name, values in request.POST.lists():
        if name != "csrfmiddlewaretoken" and not any(secret in name for secret in SECRETS):
            yield from (Field(name, value) for value in values)
