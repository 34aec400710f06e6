from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import reswap

from ..forms import GenerationForm, frames_impossible
from ..models import Generation, Submission
from ..models.state import REQUEST
from ..tasks import submit_later
from .context import counts_for
from .gallery import in_days, page_of, usual_seconds


def _form_context(form: GenerationForm, extending: Generation | None = None) -> dict:
    reason = frames_impossible()
    return {"form": form, "extending": extending, "frames_possible": not reason, "frames_reason": reason}


def _page(request: HttpRequest, form: GenerationForm, extending: Generation | None = None, status: int = 200):
    """The studio; htmx gets the slice it asked for: the form, or a page of the gallery."""
    context = _form_context(form, extending)
    if request.htmx and request.htmx.target == "composer":
        return render(request, "videos/_form.html", context, status=status)
    context |= page_of(request) | {"panel_open": "uuid" in request.resolver_match.kwargs}
    if request.htmx and request.htmx.target in ("older", "feed"):
        return render(request, f"videos/_{request.htmx.target}.html", context)
    return render(request, "videos/studio.html", context, status=status)


@require_GET
def studio(request: HttpRequest) -> HttpResponse:
    return _page(request, GenerationForm(member=request.user))


@require_GET
def extend(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The form set up to extend this video."""
    source = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    if not source.can_extend:
        messages.info(request, "Only a finished video can be extended.")
        return redirect(source)
    initial = {"mode": "extend", "action": "extend", "aspect_ratio": source.shape}
    initial |= {"video_id": source.video_id} if source.video_id else {"video_url": source.video_url}
    return _page(request, GenerationForm(member=request.user, initial=initial), source)


@require_GET
def reuse(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The form with all that this video was asked with."""
    source = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    framed = source.start_frame_id or source.end_frame_id or source.start_image_url or source.end_image_url
    initial = {name: getattr(source, name) for name in REQUEST}
    initial |= {
        "mode": "extend" if source.action == "extend" else "frames" if framed else "text",
        "start_frame": source.start_frame and source.start_frame.uuid,
        "end_frame": source.end_frame and source.end_frame.uuid,
        "video_id": source.source_video_id,
        "video_url": source.source_video_url,
    }
    return _page(request, GenerationForm(member=request.user, initial=initial), source.parent)


@require_POST
def generations(request: HttpRequest) -> HttpResponse:
    """Submit a generation or an extension."""
    form = GenerationForm(request.POST, request.FILES, member=request.user)
    if not form.is_valid():
        if request.htmx:
            return render(request, "videos/_form.html", _form_context(form, form.parent), status=422)
        return _page(request, form, form.parent, status=422)
    submission, _ = form.save()
    submit_later()
    if not request.htmx:
        return redirect("studio")
    return submitted(request, submission, submission_key=uuid4())


def submitted(request: HttpRequest, submission: Submission, submission_key: UUID | str = "") -> HttpResponse:
    """The new cards; for the form, which stays as it is, a fresh key, so that the next press is a new submission."""
    cards = list(Generation.objects.for_gallery(request.user).filter(submission=submission))
    context = {
        "created_days": in_days(cards),
        "submission_key": submission_key,
        "counts": counts_for(request.user),
        "usual": usual_seconds(),
    }
    return reswap(render(request, "videos/_submitted.html", context), "none")
