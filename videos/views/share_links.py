"""Lists of share links, as several pages and panels show them."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from ..models import Collection, Generation, Member, Share
from ..models.share import ShareQuerySet
from .navigation import site_origin
from .requests import MemberRequest

# Where a list stands, so that revoking a link leads back there; a video's panel is named by the video's uuid.
OWN, TEAM, COLLECTION, SELECTION = "own", "team", "collection", "selection"


def links_context(request: MemberRequest, shares: Iterable[Share], *, place: str, nothing: str = "") -> dict[str, Any]:
    """Return the context of `shares/_links.html`; `nothing` is the hint if there are no links."""
    links = [(share, share.may_be_revoked_by(request.user)) for share in shares]
    context = {"links": links, "place": place, "on_own_page": place in (OWN, TEAM), "nothing": nothing}
    return _site_context(request) | context


def _site_context(request: HttpRequest) -> dict[str, Any]:
    """Return the origin of the links, and whether only this machine can open them."""
    return {"site": site_origin(request), "is_local": settings.ON_LOOPBACK}


def links_of_video(request: MemberRequest, generation: Generation) -> dict[str, Any]:
    shares = Share.objects.live().showing(generation).with_sizes()
    context = links_context(request, shares, place=str(generation.uuid), nothing="This video has no valid links.")
    return context | {"generation": generation}


def links_of_collection(request: MemberRequest, collection: Collection) -> dict[str, Any]:
    shares = Share.objects.live().filter(collection=collection).with_sizes()
    return links_context(request, shares, place=COLLECTION, nothing="This collection has no valid links.")


def links_of_member(member: Member) -> ShareQuerySet:
    return Share.objects.live().filter(shared_by=member).with_sizes()
