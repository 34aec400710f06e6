from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from .. import provider
from ..forms import frames_impossible
from ..models import Generation
from ..tasks import submit_later
from .gallery import Since, usual_seconds
from .ranges import ranged
from .studio import submitted

FOR_A_YEAR = "private, max-age=31536000, immutable"


def detail_context(generation: Generation, member) -> dict:
    """Everything a video's page tells."""
    ancestors, row = [], generation.parent
    while row and len(ancestors) < 50:
        ancestors.insert(0, row)
        row = row.parent
    return {
        "generation": generation,
        "ancestors": ancestors,
        "children": generation.children.filter(trashed_at__isnull=True).select_related("member").order_by("pk"),
        "events": generation.events.select_related("member"),
        "takes": generation.submission.generations.filter(trashed_at__isnull=True).order_by("take"),
        "code": provider.examples(as_example(generation)),
        "usual": usual_seconds(),
        "may_change": generation.member_id == member.pk or member.is_superuser,
    }


def as_example(generation: Generation) -> provider.Request:
    """The request as somebody else would send it: uploaded frames have no lasting address to show."""
    placeholder = "https://example.com/your-frame.jpg"
    return provider.Request(
        action=generation.action,
        prompt=generation.prompt,
        aspect_ratio=generation.aspect_ratio,
        start_image_url=placeholder if generation.start_frame_id else generation.start_image_url,
        end_image_url=placeholder if generation.end_frame_id else generation.end_image_url,
        enhancement=generation.enhancement,
        loop=generation.loop,
        timeout=generation.timeout,
        video_id=generation.source_video_id,
        video_url=generation.source_video_url,
    )


@require_GET
def page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    generation = get_object_or_404(
        Generation.objects.for_gallery().select_related("start_frame", "end_frame", "submission", "token"),
        uuid=uuid,
    )
    context = detail_context(generation, request.user) | {
        "live": Since.now([generation]).state(),
        "frames_possible": not frames_impossible(),
    }
    return render(request, "videos/generation.html", context)


def _own(request: HttpRequest, uuid: UUID) -> Generation:
    """A generation this member may act on: their own, or any for an admin."""
    generation = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    if generation.member_id != request.user.pk and not request.user.is_superuser:
        raise PermissionDenied("Only its author or an admin may do this.")
    return generation


def _back(request: HttpRequest, generation: Generation) -> HttpResponse:
    """To the page the button was on. With htmx: the card as it is now; every other page learns it by its next poll."""
    if request.htmx:
        if request.htmx.current_url_abs_path == generation.get_absolute_url():
            return HttpResponseClientRefresh()
        generation = Generation.objects.for_gallery().get(pk=generation.pk)
        context = {"generation": generation, "usual": usual_seconds(), "oob": True}
        return render(request, "videos/_card.html", context)
    return redirect(generation if request.POST.get("from") == "page" else "studio")


@require_POST
def cancellation(request: HttpRequest, uuid: UUID) -> HttpResponse:
    generation = _own(request, uuid)
    if not generation.cancel(request.user) and not request.htmx:
        messages.info(request, "It has been sent already, and what was sent cannot be stopped.")
    return _back(request, generation)


@require_POST
def dismissal(request: HttpRequest, uuid: UUID) -> HttpResponse:
    generation = _own(request, uuid)
    generation.dismiss(request.user)
    return _back(request, generation)


@require_POST
def retries(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask again for the same; a new generation that knows which one it repeats."""
    generation = _own(request, uuid)
    again, made = generation.retry(request.user)
    if made:
        submit_later()
    elif not again:
        messages.info(request, "Only what failed, was canceled or got no answer can be tried again.")
    if not again:
        return _back(request, generation)
    if request.htmx and request.htmx.current_url_abs_path != generation.get_absolute_url():
        return submitted(request, again)
    page_of_new = again.generations.get().get_absolute_url()
    return HttpResponseClientRedirect(page_of_new) if request.htmx else redirect(page_of_new)


def _file(generation: Generation, name: str):
    stored = getattr(generation, name)
    if not stored:
        raise Http404("not saved here")
    return stored


@require_safe
def video(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The saved MP4, in ranges, so that players can seek."""
    generation = get_object_or_404(Generation, uuid=uuid, trashed_at__isnull=True)
    name = ""
    if request.GET.get("download"):
        words = slugify(generation.prompt[:60]) or "video"
        name = f"{words}-{generation.uuid.hex[:8]}.mp4"
    return ranged(
        request,
        _file(generation, "video_file"),
        content_type="video/mp4",
        etag=f'"{generation.sha256}"',
        download_as=name,
    )


def _picture(uuid: UUID, field: str, content_type: str) -> HttpResponse:
    generation = get_object_or_404(Generation, uuid=uuid, trashed_at__isnull=True)
    stored = _file(generation, field)
    try:
        response = FileResponse(stored.open("rb"), content_type=content_type)
    except FileNotFoundError:
        raise Http404("the file is missing") from None
    # The address is the video's and its picture never changes.
    response.headers["Cache-Control"] = FOR_A_YEAR
    return response


@require_safe
def thumbnail(request: HttpRequest, uuid: UUID) -> HttpResponse:
    return _picture(uuid, "thumbnail_file", "image/jpeg")


@require_safe
def poster(request: HttpRequest, uuid: UUID) -> HttpResponse:
    return _picture(uuid, "poster_file", "image/webp")
