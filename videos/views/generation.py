"""One video: its page, its menu, and its files."""

from typing import Any
from uuid import UUID

from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_safe

from .. import frames, provider
from ..file_names import file_name
from ..forms import FilterForm
from ..forms.examples import example_request
from ..models import Generation, Member, StoragePolicy
from ..models.lineage import Lineage
from ..models.state import REQUEST
from . import delivery
from .collections import memberships_context
from .gallery import usual_seconds
from .poll import PollState
from .requests import MemberRequest
from .timeline import summary_of, timeline_of


def generation_context(generation: Generation, member: Member) -> dict[str, Any]:
    """Return the context of `generation/_article.html`."""
    lineage = Lineage.of(generation)
    playable = [row for row in lineage.path if row.is_saved and not row.trashed_at]
    timeline = timeline_of(generation)
    return memberships_context(generation) | {
        "generation": generation,
        "page": generation.get_absolute_url(),
        "lineage": lineage,
        "chain": playable,
        "chain_lacks": len(lineage.path) - len(playable),
        "frames_possible": not frames.why_unavailable(),
        "timeline": timeline,
        "summary": summary_of(generation, timeline),
        "takes": generation.submission.generations.filter(trashed_at__isnull=True).order_by("take"),
        "code": provider.examples(_example(generation)),
        "usual": usual_seconds(),
        "may_change": generation.may_be_changed_by(member),
    }


def _example(generation: Generation) -> provider.Request:
    frame_ids = {"start": generation.start_frame_id, "end": generation.end_frame_id}
    return example_request(
        {name: getattr(generation, name) for name in REQUEST},
        uploaded=[side for side, pk in frame_ids.items() if pk],
        video_id=generation.source_video_id,
        video_url=generation.source_video_url,
    )


def _neighbours(request: MemberRequest, generation: Generation) -> dict[str, str]:
    """Return the addresses of the videos beside this one in the gallery, with the filters of this page's query."""
    form = FilterForm(request.GET)
    rows = Generation.objects.for_gallery(request.user, form.filters(request.user))
    suffix = f"?{query}" if (query := form.query()) else ""

    def url(row: Generation | None) -> str:
        return f"{row.get_absolute_url()}{suffix}" if row else ""

    return {
        "newer_url": url(rows.after(generation.pk).first()),
        "older_url": url(rows.before(generation.pk).first()),
        "gallery_url": f"{reverse('studio')}{suffix}",
    }


@require_GET
def detail(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Show a video on its own page; for the gallery's dialog, only the content of that page."""
    rows = Generation.objects.select_related("member", "parent", "start_frame", "end_frame", "submission", "token")
    generation = get_object_or_404(rows.with_stars_of(request.user), uuid=uuid)
    in_dialog = request.htmx.target == "video-dialog-body"
    if generation.trashed_at:
        context = {
            "generation": generation,
            "may_restore": generation.may_be_changed_by(request.user),
            "purged_from": generation.purged_from(StoragePolicy.current()),
        }
        # htmx swaps no 404 into the dialog.
        template, status = ("generation/_gone.html", 200) if in_dialog else ("generation/gone.html", 404)
        return render(request, template, context, status=status)
    context = generation_context(generation, request.user) | _neighbours(request, generation)
    context["in_dialog"] = in_dialog
    if in_dialog:
        return render(request, "generation/_generation.html", context)
    context["poll"] = PollState.now([generation]).params()
    return render(request, "generation/generation.html", context)


@require_GET
def menu(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Return the menu of a card; the page fetches it when it opens."""
    generation = get_object_or_404(Generation.objects.for_gallery(request.user), uuid=uuid)
    context = memberships_context(generation) | {
        "generation": generation,
        "frames_possible": not frames.why_unavailable(),
        "may_change": generation.may_be_changed_by(request.user),
        "link": request.build_absolute_uri(generation.get_absolute_url()),
    }
    return render(request, "gallery/_card_menu.html", context)


@require_safe
def video(request: MemberRequest, uuid: UUID) -> HttpResponseBase:
    """Return the saved MP4, in ranges so that players can seek."""
    generation = get_object_or_404(Generation.objects.with_media_for(request.user), uuid=uuid)
    name = download_name(generation) if request.GET.get("download") else ""
    stored = _stored_file(generation, "video_file")
    return delivery.video(request, stored, etag=f'"{generation.sha256}"', download_as=name)


def download_name(generation: Generation) -> str:
    return file_name(generation.prompt, f"-{generation.uuid.hex[:8]}.mp4")


def _stored_file(generation: Generation, field: str) -> FieldFile:
    stored: FieldFile = getattr(generation, field)
    if not stored:
        raise Http404("not saved")
    return stored


def _picture(request: MemberRequest, uuid: UUID, field: str, content_type: str) -> HttpResponseBase:
    generation = get_object_or_404(Generation.objects.with_media_for(request.user), uuid=uuid)
    return delivery.picture(request, _stored_file(generation, field), content_type=content_type)


@require_safe
def thumbnail(request: MemberRequest, uuid: UUID) -> HttpResponseBase:
    return _picture(request, uuid, "thumbnail_file", "image/jpeg")


@require_safe
def poster(request: MemberRequest, uuid: UUID) -> HttpResponseBase:
    return _picture(request, uuid, "poster_file", "image/webp")
