"""The request as views behind the sign-in get it."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from ..models import Member


class PublicRequest(HttpRequest):
    """A request to a page that needs no sign-in, after the htmx middleware."""

    htmx: HtmxDetails


class MemberRequest(PublicRequest):
    """A request of a signed-in member; the sign-in middleware lets no other through."""

    user: Member
