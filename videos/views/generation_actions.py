"""What a member does with one video: trash, restore, delete, cancel, dismiss, adopt, retry and save again."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh, trigger_client_event

from ..jobs.adoption import NotAdopted, adopt_offered
from ..jobs.queue import enqueue_archive, enqueue_drain
from ..jobs.sweep import remove_orphaned_files
from ..models import Generation, OverBudget, State, Submission
from .context import counts_for
from .gallery import in_days, usual_seconds
from .generation import generation_context
from .navigation import current_path
from .requests import MemberRequest
from .studio import submitted

ALREADY_SENT = "The video was sent already and cannot be stopped."


def _changeable(request: MemberRequest, uuid: UUID, *, include_trashed: bool = False) -> Generation:
    """Return a video that this member may change; raise Http404 or PermissionDenied."""
    rows = (
        Generation.objects.select_related("member", "parent") if include_trashed else Generation.objects.for_gallery()
    )
    generation: Generation = get_object_or_404(rows, uuid=uuid)
    if not generation.may_be_changed_by(request.user):
        raise PermissionDenied("Only its author or an admin may do this.")
    return generation


def _is_on_own_page(request: MemberRequest, generation: Generation) -> bool:
    """Whether the button is on the video's page, not in the dialog, which has the same address."""
    path = current_path(request).partition("?")[0]
    return request.POST.get("from") != "dialog" and path == generation.get_absolute_url()


def _updated(request: MemberRequest, generation: Generation) -> HttpResponse:
    """Return to the page with the button; for htmx return the video's card. Other pages learn of it by polling."""
    if not request.htmx:
        return redirect(generation if request.POST.get("from") == "page" else "studio")
    if _is_on_own_page(request, generation):
        return HttpResponseClientRefresh()
    current = Generation.objects.for_gallery(request.user).filter(pk=generation.pk).first()
    if not current:  # trashed meanwhile
        return render(request, "trash/_removed.html", {"generation": generation})
    context = {"generation": current, "usual": usual_seconds(), "oob": True}
    if request.POST.get("from") == "dialog":
        context |= generation_context(current, request.user) | {"in_dialog": True}
        return render(request, "gallery/_card_and_article.html", context)
    return render(request, "gallery/_card.html", context)


def _not_done(request: MemberRequest, generation: Generation, reason: str) -> HttpResponse:
    """Return as `_updated` does, with the reason in a toast or a message."""
    if request.htmx and not _is_on_own_page(request, generation):
        return trigger_client_event(_updated(request, generation), "toast", {"text": reason})
    messages.info(request, reason)
    return _updated(request, generation)


@require_POST
def trash(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Move a video to the trash; for htmx remove its card and offer to undo it."""
    generation = _changeable(request, uuid)
    if not generation.trash(request.user):
        return _not_done(request, generation, f"{ALREADY_SENT} Move it to the trash when it is finished.")
    if request.htmx and not _is_on_own_page(request, generation):
        context = {"generation": generation, "counts": counts_for(request.user)}
        return render(request, "gallery/_trashed.html", context)
    messages.success(request, "Moved to the trash.", extra_tags=str(generation.uuid))
    return HttpResponseClientRedirect(reverse("studio")) if request.htmx else redirect("studio")


@require_POST
def restoration(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Restore a video from the trash; for htmx put its card back, or remove it from the trash page."""
    generation = _changeable(request, uuid, include_trashed=True)
    if generation.purged_at:
        raise Http404("deleted permanently")
    generation.restore(request.user)
    if not request.htmx:
        messages.success(request, "Restored.")
        return redirect("trash" if request.POST.get("from") == "trash" else generation)
    if current_path(request).startswith(reverse("trash")):
        response = render(request, "trash/_removed.html", {"generation": generation})
        return trigger_client_event(response, "toast", {"text": "Restored. The video is back in the gallery."})
    restored = list(Generation.objects.for_gallery(request.user).filter(pk=generation.pk))
    context = {"restored_days": in_days(restored), "usual": usual_seconds(), "counts": counts_for(request.user)}
    return render(request, "gallery/_restored.html", context)


@require_POST
def deletion(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Delete a trashed video permanently; the page asks for confirmation."""
    generation = _changeable(request, uuid, include_trashed=True)
    if generation.purge(request.user):
        remove_orphaned_files()
        message = "Deleted permanently."
    elif generation.purged_at:
        message = "The video was deleted permanently already."
    elif not generation.trashed_at:
        message = "The video was restored meanwhile and is back in the gallery."
    else:
        message = "An extension of this video is in progress and may need it. Delete it when that is done."
    if not request.htmx:
        messages.info(request, message)
        return redirect("trash")
    is_in_trash = generation.trashed_at and not generation.purged_at
    response = render(request, "trash/_removed.html", {"generation": None if is_in_trash else generation})
    return trigger_client_event(response, "toast", {"text": message})


@require_POST
def cancellation(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Cancel a queued video."""
    generation = _changeable(request, uuid)
    if not generation.cancel(request.user):
        generation.refresh_from_db(fields=["state"])
        if generation.state != State.CANCELED:
            return _not_done(request, generation, ALREADY_SENT)
    return _updated(request, generation)


@require_POST
def dismissal(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Give up an unconfirmed video."""
    generation = _changeable(request, uuid)
    generation.dismiss(request.user)
    return _updated(request, generation)


@require_POST
def adoption(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Match an unconfirmed video with one of the provider's tasks that were found for it."""
    generation = _changeable(request, uuid)
    try:
        adopt_offered(generation, request.POST.get("task", ""), request.user)
    except NotAdopted as error:
        return _not_done(request, generation, str(error))
    return _updated(request, generation)


@require_POST
def retries(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Request the same again as a new video."""
    generation = _changeable(request, uuid)
    try:
        submission, is_new = Submission.objects.retry(generation, request.user)
    except OverBudget as error:
        return _not_done(request, generation, str(error))
    if submission is None:
        return _not_done(request, generation, "Only failed, canceled and unconfirmed videos can be retried.")
    if is_new:
        enqueue_drain()
    if request.htmx and not _is_on_own_page(request, generation):
        response = submitted(request, submission)
        if is_new and request.POST.get("from") != "dialog":
            return response
        message = "Retried. The new video is in the gallery." if is_new else "Already retried. See the gallery."
        return trigger_client_event(response, "toast", {"text": message})
    url = submission.generations.get().get_absolute_url()
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


@require_POST
def saving(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Save a finished video again after saving failed."""
    generation = _changeable(request, uuid)
    if not generation.save_again(request.user):
        return _not_done(request, generation, "The video is saved already, or being saved now.")
    enqueue_archive(generation.pk)
    return _updated(request, generation)
