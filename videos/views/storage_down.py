"""What a member reads while nothing can be stored, with a way to send the same form again."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string

from lumaweb import logs
from lumaweb.storage_errors import StorageProblem

RETRY_AFTER = 5  # seconds
LONG = 40  # characters, from which on a text is shown for copying
# Never written into a page; the form asks for them again.
SECRETS = ("password", "secret", "code", "token")


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


def storage_down(request: HttpRequest, problem: StorageProblem) -> HttpResponse:
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
