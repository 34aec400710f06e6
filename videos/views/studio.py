from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import reswap

from .. import provider
from ..forms import GenerationForm, frames_impossible
from ..jobs.queue import enqueue_drain
from ..models import AlreadyRequested, Frame, Generation, OverBudget, Pool, Submission
from ..models.state import REQUEST
from .context import counts_for
from .gallery import in_days, page_of, usual_seconds

# Earlier prompts are looked for among a member's latest videos.
PROMPTS, LATEST = 50, 500
# By the id of the element that htmx swaps.
GALLERY_FRAGMENTS = {"older": "gallery/_older.html", "gallery": "gallery/_gallery.html"}


def _form_context(form: GenerationForm, extending: Generation | None = None, given: str = "") -> dict:
    """`given`: the fields that were set up and go before a draft, by name; or "all"."""
    pool = Pool.current()
    reason = frames_impossible(pool)
    context = {
        "form": form,
        "extending": extending,
        "pool": pool,
        "frames_possible": not reason,
        "frames_reason": reason,
    }
    return context | {"given": "errors" if form.is_bound else given}


def _page(
    request: HttpRequest,
    form: GenerationForm,
    extending: Generation | None = None,
    given: str = "",
    status: int = 200,
):
    """The studio; htmx gets the slice it asked for: the form, or a page of the gallery."""
    context = _form_context(form, extending, given)
    if request.htmx and request.htmx.target == "video-form":
        return render(request, "studio/_form.html", context, status=status)
    context |= page_of(request) | {"panel_open": bool(given)}
    if request.htmx and request.htmx.target in GALLERY_FRAGMENTS:
        return render(request, GALLERY_FRAGMENTS[request.htmx.target], context)
    return render(request, "studio/studio.html", context, status=status)


@require_GET
def studio(request: HttpRequest) -> HttpResponse:
    """The form and the wall; with frames or a prompt in the address, these are in the form."""
    initial = {name: request.GET[name] for name in ("prompt",) if request.GET.get(name)}
    for name in ("start_frame", "end_frame"):
        if Frame.objects.known(request.GET.get(name, "")):
            initial |= {name: request.GET[name], "mode": "frames"}
    if initial and "mode" in request.GET:
        # Here it is the form's; beside filters it is one of them.
        request.GET = request.GET.copy()
        initial.setdefault("mode", request.GET.pop("mode")[-1])
    return _page(request, GenerationForm(member=request.user, initial=initial), given=" ".join(initial))


@require_GET
def extend(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The form set up to extend this video."""
    source = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    if not source.can_extend:
        messages.info(request, "Only a finished video can be extended.")
        return redirect(source)
    initial = {"mode": "extend", "action": "extend", "aspect_ratio": source.shape}
    initial |= {"video_id": source.video_id} if source.video_id else {"video_url": source.video_url}
    return _page(request, GenerationForm(member=request.user, initial=initial), source, "all")


@require_GET
def reuse(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The form with all that this video was asked with, or with `?what=prompt` its words only."""
    source = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    if request.GET.get("what") == "prompt":
        form = GenerationForm(member=request.user, initial={"prompt": source.prompt})
        return _page(request, form, given="prompt")
    framed = source.start_frame_id or source.end_frame_id or source.start_image_url or source.end_image_url
    initial = {name: getattr(source, name) for name in REQUEST}
    initial |= {
        "mode": "extend" if source.action == "extend" else "frames" if framed else "text",
        "start_frame": source.start_frame and source.start_frame.uuid,
        "end_frame": source.end_frame and source.end_frame.uuid,
        "video_id": source.source_video_id,
        "video_url": source.source_video_url,
    }
    # What is in the trash is nobody's to read but its author's; the extension goes on from it all the same.
    parent = source.parent if source.parent and not source.parent.trashed_at else None
    return _page(request, GenerationForm(member=request.user, initial=initial), parent, "all")


def _come_back(request: HttpRequest, form: GenerationForm) -> HttpResponse:
    """The form as it was sent, with what is wrong with it, or with the clips that were made of the same request."""
    if request.htmx:
        return render(request, "studio/_form.html", _form_context(form, form.parent), status=422)
    return _page(request, form, form.parent, status=422)


@require_POST
def generations(request: HttpRequest) -> HttpResponse:
    """Submit a generation or an extension."""
    form = GenerationForm(request.POST, request.FILES, member=request.user)
    if not form.is_valid():
        return _come_back(request, form)
    try:
        submissions = form.save()
    except AlreadyRequested:
        return _come_back(request, form)
    except OverBudget as error:
        form.add_error(None, str(error))
        return _come_back(request, form)
    enqueue_drain()
    if not request.htmx:
        return redirect("studio")
    return submitted(request, *submissions, submission_key=uuid4())


def submitted(request: HttpRequest, *submissions: Submission, submission_key: UUID | str = "") -> HttpResponse:
    """The new cards; for the form, which stays as it is, a fresh key, so that the next press is a new submission."""
    cards = list(Generation.objects.for_gallery(request.user).filter(submission__in=submissions))
    context = {
        "created_days": in_days(cards),
        "submission_key": submission_key,
        "counts": counts_for(request.user),
        "usual": usual_seconds(),
    }
    if submission_key:
        context["cost"] = GenerationForm(member=request.user).cost
    return reswap(render(request, "studio/_submitted.html", context), "none")


@require_POST
def code(request: HttpRequest) -> HttpResponse:
    """The request as code, of the form as it stands; nothing is stored or sent."""
    form = GenerationForm(request.POST, member=request.user)
    context = {"code": provider.examples(form.example()), "code_notes": _code_notes(form)}
    context["language"] = next((value for name, value in request.POST.items() if name.endswith("-language")), "curl")
    if request.htmx:
        return render(request, "studio/_code.html", context | {"panel": request.htmx.target or "request-code"})
    return render(request, "studio/code.html", context)


def _code_notes(form: GenerationForm) -> list[str]:
    notes = [error for errors in form.errors.values() for error in errors]
    if len(form.prompts) > 1:
        notes.append(f"This is the first of {len(form.prompts)} prompts. Each is a request of its own.")
    if form.cleaned_data.get("count", 1) > 1:
        notes.append("Each take is a request of its own, with the same words.")
    return notes


@require_GET
def prompts(request: HttpRequest) -> HttpResponse:
    """What this member asked for before, each once, the latest first."""
    mine = Generation.objects.filter(member=request.user, trashed_at__isnull=True).exclude(prompt="")
    found: dict[str, UUID] = {}
    for uuid, prompt in mine.order_by("-pk").values_list("uuid", "prompt")[:LATEST]:
        found.setdefault(prompt, uuid)
    context = {"prompts": [(uuid, prompt) for prompt, uuid in found.items()][:PROMPTS]}
    return render(request, "studio/_prompts.html" if request.htmx else "studio/prompts.html", context)
