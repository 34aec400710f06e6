"""The lists of collections on an open page, which a poll renews when they change."""

from django.core.cache import cache
from django.http import HttpResponse
from django_htmx.http import trigger_client_event

from ..models import Collection
from .filters import version_of

# Many tabs poll each process, which reads the collections at most this often to compare them.
VERSION_KEY, VERSION_SECONDS = "collections-version", 2


def have_changed(known: str | None) -> bool:
    """Tell whether the collections differ from this version of a page's lists; None: the page has no lists."""
    if known is None:
        return False
    version: str | None = cache.get(VERSION_KEY)
    if version is None:
        version = version_of(Collection.objects.choices())
        cache.set(VERSION_KEY, version, VERSION_SECONDS)
    return known != version


def renew_lists(response: HttpResponse) -> HttpResponse:
    """Make the page that receives this response poll for the lists at once."""
    cache.delete(VERSION_KEY)
    return trigger_client_event(response, "collections")
