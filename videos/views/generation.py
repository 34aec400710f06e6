from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh, trigger_client_event

from .. import provider
from ..forms import frames_impossible
from ..models import Generation, State
from ..tasks import remove_leftovers, submit_later
from .context import counts_for, current_path
from .gallery import Since, in_days, usual_seconds
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
        "children": _children(generation),
        "events": generation.events.select_related("member"),
        "takes": generation.submission.generations.filter(trashed_at__isnull=True).order_by("take"),
        "code": provider.examples(as_example(generation)),
        "usual": usual_seconds(),
        "may_change": generation.member_id == member.pk or member.is_superuser,
    }


def _children(generation: Generation):
    """Its extensions; one that was thrown away only where others go on from it."""
    goes_on = Exists(Generation.objects.filter(parent=OuterRef("pk"), trashed_at__isnull=True))
    rows = generation.children.filter(Q(trashed_at__isnull=True) | goes_on)
    return rows.select_related("member").order_by("pk")


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
        Generation.objects.select_related("member", "parent", "start_frame", "end_frame", "submission", "token"),
        uuid=uuid,
    )
    if generation.trashed_at:
        may_restore = may_change(request, generation)
        return render(request, "videos/gone.html", {"generation": generation, "may_restore": may_restore}, status=404)
    context = detail_context(generation, request.user) | {
        "live": Since.now([generation]).state(),
        "frames_possible": not frames_impossible(),
    }
    return render(request, "videos/generation.html", context)


def may_change(request: HttpRequest, generation: Generation) -> bool:
    return generation.member_id == request.user.pk or request.user.is_superuser


def _own(request: HttpRequest, uuid: UUID, *, even_trashed: bool = False) -> Generation:
    """A generation this member may act on: their own, or any for an admin."""
    rows = Generation.objects.select_related("member", "parent") if even_trashed else Generation.objects.for_gallery()
    generation = get_object_or_404(rows, uuid=uuid)
    if not may_change(request, generation):
        raise PermissionDenied("Only its author or an admin may do this.")
    return generation


def _back(request: HttpRequest, generation: Generation) -> HttpResponse:
    """To the page the button was on. With htmx: the card as it is now; every other page learns it by its next poll."""
    if request.htmx:
        if current_path(request) == generation.get_absolute_url():
            return HttpResponseClientRefresh()
        now = Generation.objects.for_gallery(request.user).filter(pk=generation.pk).first()
        if not now:
            # It was thrown away meanwhile: its card leaves this page too.
            return render(request, "videos/_untrashed.html", {"generation": generation})
        context = {"generation": now, "usual": usual_seconds(), "oob": True}
        return render(request, "videos/_card.html", context)
    return redirect(generation if request.POST.get("from") == "page" else "studio")


def _refused(request: HttpRequest, generation: Generation, words: str) -> HttpResponse:
    """Back, saying why nothing was done: in a toast where only the card is swapped, else on the page that comes."""
    if request.htmx and current_path(request) != generation.get_absolute_url():
        return trigger_client_event(_back(request, generation), "toast", {"text": words})
    messages.info(request, words)
    return _back(request, generation)


CANNOT_BE_STOPPED = (
    "It has been sent, and what was sent cannot be stopped. It can go to the trash once it is at its end."
)


@require_POST
def trash(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Move it to the trash. With htmx: its card leaves this page, and a toast offers to undo it."""
    generation = _own(request, uuid)
    if not generation.trash(request.user):
        return _refused(request, generation, CANNOT_BE_STOPPED)
    if request.htmx and current_path(request) != generation.get_absolute_url():
        context = {"generation": generation, "counts": counts_for(request.user)}
        return render(request, "videos/_trashed.html", context)
    messages.success(request, "Moved to the trash.", extra_tags=str(generation.uuid))
    return HttpResponseClientRedirect(reverse("studio")) if request.htmx else redirect("studio")


@require_POST
def restoration(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Take it out of the trash. With htmx: the card returns to its place, or leaves the page of the trash."""
    generation = _own(request, uuid, even_trashed=True)
    if generation.purged_at:
        raise Http404("deleted for good")
    generation.restore(request.user)
    if not request.htmx:
        messages.success(request, "Restored.")
        return redirect("trash" if request.POST.get("from") == "trash" else generation)
    if current_path(request).startswith(reverse("trash")):
        answer = render(request, "videos/_untrashed.html", {"generation": generation})
        return trigger_client_event(answer, "toast", {"text": "Restored. It is back in the studio."})
    back = list(Generation.objects.for_gallery(request.user).filter(pk=generation.pk))
    context = {"restored_days": in_days(back), "usual": usual_seconds(), "counts": counts_for(request.user)}
    return render(request, "videos/_restored.html", context)


@require_POST
def deletion(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Delete for good what is in the trash; asked twice on the page."""
    generation = _own(request, uuid, even_trashed=True)
    deleted = generation.purge(request.user)
    if deleted:
        remove_leftovers()
        words = "Deleted for good."
    else:
        words = "An extension of it is being made and may need it. It can be deleted when that is done."
    if not request.htmx:
        messages.info(request, words)
        return redirect("trash")
    answer = render(request, "videos/_untrashed.html", {"generation": generation if deleted else None})
    return trigger_client_event(answer, "toast", {"text": words})


@require_POST
def cancellation(request: HttpRequest, uuid: UUID) -> HttpResponse:
    generation = _own(request, uuid)
    if not generation.cancel(request.user):
        generation.refresh_from_db(fields=["state"])
        if generation.state != State.CANCELED:
            return _refused(request, generation, "It has been sent already, and what was sent cannot be stopped.")
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
        return _refused(request, generation, "Only what failed, was canceled or got no answer can be tried again.")
    if request.htmx and current_path(request) != generation.get_absolute_url():
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
    generation = get_object_or_404(Generation.objects.with_media_for(request.user), uuid=uuid)
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


def _picture(request: HttpRequest, uuid: UUID, field: str, content_type: str) -> HttpResponse:
    generation = get_object_or_404(Generation.objects.with_media_for(request.user), uuid=uuid)
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
    return _picture(request, uuid, "thumbnail_file", "image/jpeg")


@require_safe
def poster(request: HttpRequest, uuid: UUID) -> HttpResponse:
    return _picture(request, uuid, "poster_file", "image/webp")
