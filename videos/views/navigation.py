"""Addresses that a request came from, that a page shows, or that are secret."""

from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from .requests import PublicRequest


def previous_path(request: HttpRequest) -> str:
    """Return path and query of the page that a request was made on, to redirect to; "" for none of ours.

    From the Referer, which a browser sets and no script can, unlike htmx's header.
    """
    try:
        if not url_has_allowed_host_and_scheme(address := request.META.get("HTTP_REFERER", ""), request.get_host()):
            return ""
        parts = urlsplit(address)
    except ValueError:  # the header is not an address
        return ""
    path = urlunsplit(("", "", parts.path, parts.query, ""))
    # "https://ours.example//theirs.example" has a path that leads elsewhere.
    return path if path.startswith("/") and url_has_allowed_host_and_scheme(path, None) else ""


def current_path(request: PublicRequest) -> str:
    """Return path and query of the page an htmx request was made on; "" for none of ours.

    For choosing a fragment only, never for a redirect: any script may set the header.
    """
    try:
        return request.htmx.current_url_abs_path or ""
    except ValueError:  # the header is not an address
        return ""


def site_origin(request: HttpRequest) -> str:
    """Return the origin of links that a page shows: the address members use, or else this request's.

    Never for mail: `mail.send_link` has no request.
    """
    return settings.SITE_URL or f"{request.scheme}://{request.get_host()}"


def without_referrer(response: HttpResponse) -> HttpResponse:
    """Keep the page's address, which contains a key, out of requests to other sites."""
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
