"""The page that is shown when a view breaks."""

import sys

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template.loader import render_to_string

from lumaweb import logs
from lumaweb.storage_errors import problem_of

from .storage_down import storage_down


def server_error(request: HttpRequest) -> HttpResponse:
    """Say so with nothing that could break as well: no session, no member, no database."""
    # Django calls this inside its except block, for views and middleware alike.
    if problem := problem_of(sys.exc_info()[1]):
        return storage_down(request, problem)
    return HttpResponseServerError(render_to_string("500.html", {"number": logs.REQUEST.get()}))
