"""The page that is shown when a view breaks."""

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template.loader import render_to_string

from lumaweb import logs


def server_error(request: HttpRequest) -> HttpResponse:
    """Say so with nothing that could break as well: no session, no member, no database."""
    return HttpResponseServerError(render_to_string("500.html", {"number": logs.REQUEST.get()}))
