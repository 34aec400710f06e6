from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh, trigger_client_event

from .. import provider
from ..forms import FilterForm, cut_frame, frames_impossible
from ..jobs.adoption import NotAdopted, adopt_offered
from ..jobs.queue import enqueue_archive, enqueue_drain
from ..jobs.sweep import remove_orphaned_files
from ..models import Collection, Generation, OverBudget, State, Submission
from ..models.lineage import Lineage
from . import delivery
from .context import counts_for
from .gallery import Since, in_days, usual_seconds
from .navigation import current_path
from .studio import submitted
from .timeline import summary_of, timeline_of


def detail_context(generation: Generation, member) -> dict:
    """Everything a video's page tells."""
    lineage = Lineage.of(generation)
    events = timeline_of(generation)
    return shelves_of(generation) | {
        "generation": generation,
        "page": generation.get_absolute_url(),
        "lineage": lineage,
        # What can be played end to end, and how many clips of it are not here.
        "chain": [row for row in lineage.path if row.is_saved and not row.trashed_at],
        "chain_lacks": sum(not row.is_saved or bool(row.trashed_at) for row in lineage.path),
        "frames_possible": not frames_impossible(),
        "events": events,
        "summary": summary_of(generation, events),
        "takes": generation.submission.generations.filter(trashed_at__isnull=True).order_by("take"),
        "code": provider.examples(as_example(generation)),
        "usual": usual_seconds(),
        "may_change": generation.may_be_changed_by(member),
    }


def shelves_of(generation: Generation) -> dict:
    """What `_collections.html` shows."""
    return {
        "all_collections": Collection.objects.in_order(),
        "in_collections": set(generation.collections.values_list("pk", flat=True)),
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


def neighbours(request: HttpRequest, generation: Generation) -> dict:
    """The videos before and after it on the wall it was opened from, whose filters are in the address."""
    form = FilterForm(request.GET)
    wall = Generation.objects.for_gallery(request.user, form.filters(request.user))
    query = form.query()

    def address(row: Generation | None) -> str:
        return "" if not row else f"{row.get_absolute_url()}?{query}" if query else row.get_absolute_url()

    return {
        "newer_url": address(wall.after(generation.pk).first()),
        "older_url": address(wall.before(generation.pk).first()),
        "wall_url": f"{reverse('studio')}?{query}" if query else reverse("studio"),
    }


@require_GET
def page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """A video on a page of its own; or, asked for by the wall's dialog, just what stands on that page."""
    rows = Generation.objects.select_related("member", "parent", "start_frame", "end_frame", "submission", "token")
    generation = get_object_or_404(rows.with_stars_of(request.user), uuid=uuid)
    in_dialog = request.htmx.target == "video-dialog-body"
    if generation.trashed_at:
        context = {"generation": generation, "may_restore": generation.may_be_changed_by(request.user)}
        # The dialog swaps what it is given, so for it this is no error.
        template, status = ("generation/_gone.html", 200) if in_dialog else ("generation/gone.html", 404)
        return render(request, template, context, status=status)
    context = detail_context(generation, request.user) | neighbours(request, generation) | {"in_dialog": in_dialog}
    if in_dialog:
        return render(request, "generation/_generation.html", context)
    return render(request, "generation/generation.html", context | {"live": Since.now([generation]).state()})


@require_GET
def menu(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What else can be done with a card; the shared menu fetches it when it is opened."""
    generation = get_object_or_404(Generation.objects.for_gallery(request.user), uuid=uuid)
    context = shelves_of(generation) | {
        "generation": generation,
        "frames_possible": not frames_impossible(),
        "may_change": generation.may_be_changed_by(request.user),
        "link": request.build_absolute_uri(generation.get_absolute_url()),
    }
    return render(request, "gallery/_card_menu.html", context)


@require_POST
def cuts(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Cut a picture from our copy of a video and have it as a frame: `at` is "first", "last" or a time in seconds."""
    generation = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    side = "end" if request.POST.get("side") == "end" else "start"
    frame, problem = cut_frame(generation, request.POST.get("at", ""), request.user)
    if "application/json" in request.headers.get("Accept", ""):
        if not frame:
            return JsonResponse({"error": problem}, status=422)
        url = reverse("upload", args=[frame.uuid])
        return JsonResponse({"frame": frame.uuid, "url": url, "width": frame.width, "height": frame.height})
    if not frame:
        messages.error(request, problem)
        return redirect(generation)
    return redirect(f"{reverse('studio')}?mode=frames&{side}_frame={frame.uuid}#new")


def _own(request: HttpRequest, uuid: UUID, *, even_trashed: bool = False) -> Generation:
    """A generation this member may act on: their own, or any for an admin."""
    rows = Generation.objects.select_related("member", "parent") if even_trashed else Generation.objects.for_gallery()
    generation = get_object_or_404(rows, uuid=uuid)
    if not generation.may_be_changed_by(request.user):
        raise PermissionDenied("Only its author or an admin may do this.")
    return generation


def _on_its_page(request: HttpRequest, generation: Generation) -> bool:
    """Whether the button was pressed on the video's own page, and not in the dialog, whose address is the same."""
    return (
        request.POST.get("from") != "dialog"
        and current_path(request).partition("?")[0] == generation.get_absolute_url()
    )


def _back(request: HttpRequest, generation: Generation) -> HttpResponse:
    """To the page the button was on. With htmx: the card as it is now; every other page learns it by its next poll."""
    if request.htmx:
        if _on_its_page(request, generation):
            return HttpResponseClientRefresh()
        now = Generation.objects.for_gallery(request.user).filter(pk=generation.pk).first()
        if not now:
            # It was thrown away meanwhile: its card leaves this page too.
            return render(request, "trash/_removed.html", {"generation": generation})
        context = {"generation": now, "usual": usual_seconds(), "oob": True}
        if request.POST.get("from") == "dialog":
            context |= detail_context(now, request.user) | {"in_dialog": True}
            return render(request, "gallery/_card_and_article.html", context)
        return render(request, "gallery/_card.html", context)
    return redirect(generation if request.POST.get("from") == "page" else "studio")


def _refused(request: HttpRequest, generation: Generation, words: str) -> HttpResponse:
    """Back, saying why nothing was done: in a toast where only the card is swapped, else on the page that comes."""
    if request.htmx and not _on_its_page(request, generation):
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
    if request.htmx and not _on_its_page(request, generation):
        context = {"generation": generation, "counts": counts_for(request.user)}
        return render(request, "gallery/_trashed.html", context)
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
        answer = render(request, "trash/_removed.html", {"generation": generation})
        return trigger_client_event(answer, "toast", {"text": "Restored. It is back in the studio."})
    back = list(Generation.objects.for_gallery(request.user).filter(pk=generation.pk))
    context = {"restored_days": in_days(back), "usual": usual_seconds(), "counts": counts_for(request.user)}
    return render(request, "gallery/_restored.html", context)


@require_POST
def deletion(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Delete for good what is in the trash; asked twice on the page."""
    generation = _own(request, uuid, even_trashed=True)
    if generation.purge(request.user):
        remove_orphaned_files()
        words = "Deleted for good."
    elif generation.purged_at:
        words = "It was deleted for good already."
    elif not generation.trashed_at:
        words = "It was restored meanwhile, and is back in the studio."
    else:
        words = "An extension of it is being made and may need it. It can be deleted when that is done."
    if not request.htmx:
        messages.info(request, words)
        return redirect("trash")
    is_there = generation.trashed_at and not generation.purged_at
    answer = render(request, "trash/_removed.html", {"generation": None if is_there else generation})
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
def adoption(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Give the video in doubt one of the provider's tasks that were found for it."""
    generation = _own(request, uuid)
    try:
        adopt_offered(generation, request.POST.get("task", ""), request.user)
    except NotAdopted as reason:
        return _refused(request, generation, str(reason))
    return _back(request, generation)


@require_POST
def retries(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask again for the same; a new generation that knows which one it repeats."""
    generation = _own(request, uuid)
    try:
        again, made = Submission.objects.retry(generation, request.user)
    except OverBudget as error:
        return _refused(request, generation, str(error))
    if made:
        enqueue_drain()
    elif not again:
        return _refused(request, generation, "Only what failed, was canceled or got no answer can be tried again.")
    if request.htmx and not _on_its_page(request, generation):
        answer = submitted(request, again)
        if made and request.POST.get("from") != "dialog":
            return answer
        words = "Retried. The new video is in the gallery." if made else "Already retried. The video is in the gallery."
        return trigger_client_event(answer, "toast", {"text": words})
    page_of_new = again.generations.get().get_absolute_url()
    return HttpResponseClientRedirect(page_of_new) if request.htmx else redirect(page_of_new)


@require_POST
def saving(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Save a finished video again now, where that failed."""
    generation = _own(request, uuid)
    if not generation.save_again(request.user):
        return _refused(request, generation, "It is saved already, or being saved now.")
    enqueue_archive(generation.pk)
    return _back(request, generation)


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
    stored = _file(generation, "video_file")
    return delivery.video(request, stored, etag=f'"{generation.sha256}"', download_as=name)


def _picture(request: HttpRequest, uuid: UUID, field: str, content_type: str) -> HttpResponse:
    generation = get_object_or_404(Generation.objects.with_media_for(request.user), uuid=uuid)
    return delivery.picture(request, _file(generation, field), content_type=content_type)


@require_safe
def thumbnail(request: HttpRequest, uuid: UUID) -> HttpResponse:
    return _picture(request, uuid, "thumbnail_file", "image/jpeg")


@require_safe
def poster(request: HttpRequest, uuid: UUID) -> HttpResponse:
    return _picture(request, uuid, "poster_file", "image/webp")
