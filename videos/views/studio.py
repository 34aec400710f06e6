"""The studio: the form and the gallery, and the submission of new videos."""

from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import reswap

from .. import frames, provider
from ..forms import FilterForm, GenerationForm
from ..forms.fields import COLLECTION_GONE
from ..forms.generation import NO_SOURCE
from ..jobs.queue import enqueue_drain
from ..models import AlreadyRequested, Collection, CollectionGone, Frame, Generation, OverBudget, Pool, Submission
from ..models.state import REQUEST
from .context import counts_for
from .gallery import gallery_context, in_days, usual_seconds
from .params import find_cursor
from .pictures import store_pictures
from .requests import MemberRequest
from .video_picker import picker_page

# Distinct earlier prompts, searched among a member's latest videos.
MAX_PROMPTS, MAX_PROMPT_SOURCES = 50, 500
# By the id of the element that htmx swaps.
GALLERY_FRAGMENTS = {"older": "gallery/_older.html", "gallery": "gallery/_gallery.html"}


def _form_context(form: GenerationForm, extending: Generation | None = None, preset: str = "") -> dict[str, Any]:
    """Return the form's context; `preset` names the fields that win over a draft, or is "all"."""
    pool = Pool.current()
    reason = frames.why_unavailable(pool)
    return {
        "form": form,
        "extending": extending,
        "pool": pool,
        "collections": SimpleLazyObject(Collection.objects.choices),
        "frames_possible": not reason,
        "frames_reason": reason,
        "preset": "errors" if form.is_bound else preset,
    }


def _studio_page(
    request: MemberRequest,
    form: GenerationForm,
    *,
    extending: Generation | None = None,
    preset: str = "",
    filters: QueryDict | None = None,
    status: int = 200,
) -> HttpResponse:
    """Return the studio, or the part that htmx requested: the form, or a page of the gallery."""
    context = _form_context(form, extending, preset)
    target = request.htmx.target if request.htmx else ""
    if target == "video-form":
        return render(request, "studio/_form.html", context, status=status)
    filter_form = FilterForm(request.GET if filters is None else filters)
    context |= gallery_context(request, filter_form)
    context["collections"] = context["filter_bar"].collection_names
    context["form_open"] = bool(preset)
    if template := GALLERY_FRAGMENTS.get(target or ""):
        return render(request, template, context)
    _name_missing_filters(request, filter_form)
    return render(request, "studio/studio.html", context, status=status)


def _shown_collection(request: MemberRequest) -> Collection | None:
    """Return the collection that the gallery is filtered by."""
    return find_cursor(Collection.objects.all(), request.GET.get("collection", ""))


def _collection_of(request: MemberRequest, source: Generation) -> dict[str, str]:
    """Return the form's collection for a video made from another one: the one that is shown, or its only one."""
    collections = [shown] if (shown := _shown_collection(request)) else list(source.collections.all()[:2])
    return {"collection": str(collections[0].uuid)} if len(collections) == 1 else {}


def _name_missing_filters(request: MemberRequest, form: FilterForm) -> None:
    """Say why an address that was saved earlier filters nothing now."""
    if "collection" in form.errors:
        messages.warning(request, "This collection was deleted. These are all videos.")
    if "member" in form.errors:
        messages.warning(request, "There is no member with this name. These are the videos of everyone.")


@require_GET
def studio(request: MemberRequest) -> HttpResponse:
    """Show the form and the gallery; a prompt and frames in the query fill in the form."""
    initial = {"prompt": request.GET["prompt"]} if request.GET.get("prompt") else {}
    for side in ("start", "end"):
        if Frame.objects.known(request.GET.get(f"{side}_frame", "")):
            initial |= {f"{side}_frame": request.GET[f"{side}_frame"], f"{side}_image_url": "", "mode": "frames"}
    if "start_frame" in initial and request.GET.get("aspect_ratio") in provider.ASPECT_RATIOS:
        # A new video: it has no end frame of a draft.
        initial = {"end_frame": "", "end_image_url": ""} | initial | {"aspect_ratio": request.GET["aspect_ratio"]}
    filters = request.GET.copy()
    if initial and "mode" in filters:
        # Beside values for the form, `mode` is the form's; otherwise it is a filter.
        initial.setdefault("mode", filters.pop("mode")[-1])
        filters.pop("mode", None)
    shown = {"collection": str(collection.uuid)} if (collection := _shown_collection(request)) else {}
    form = GenerationForm(member=request.user, initial=initial | shown)
    return _studio_page(request, form, preset=" ".join(initial), filters=filters)


@require_http_methods(["GET", "POST"])
def extend(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Show the form set up to extend this video: with the posted fields, or with `?keep=1` with those of the draft."""
    source = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    if not source.can_extend:
        messages.info(request, "Only a finished video can be extended.")
        return redirect(source)
    initial = {"mode": "extend", "action": "extend", "aspect_ratio": source.shape}
    initial |= {"video_id": source.video_id} if source.video_id else {"video_url": source.video_url}
    preset = "mode source video_id video_url" if request.GET.get("keep") else "all"
    if request.method == "POST":
        initial |= GenerationForm(request.POST, member=request.user).kept_values
    if not initial.get("collection"):
        initial |= _collection_of(request, source)
    form = GenerationForm(member=request.user, initial=initial)
    return _studio_page(request, form, extending=source, preset=preset)


@require_GET
def reuse(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Show the form with the settings of this video, or with `?what=prompt` only with its prompt."""
    source = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    if request.GET.get("what") == "prompt":
        form = GenerationForm(member=request.user, initial={"prompt": source.prompt})
        return _studio_page(request, form, preset="prompt")
    has_frames = source.start_frame_id or source.end_frame_id or source.start_image_url or source.end_image_url
    initial = {name: getattr(source, name) for name in REQUEST}
    initial |= {
        "mode": "extend" if source.action == "extend" else "frames" if has_frames else "text",
        "start_frame": source.start_frame and source.start_frame.uuid,
        "end_frame": source.end_frame and source.end_frame.uuid,
        "video_id": source.source_video_id,
        "video_url": source.source_video_url,
    } | _collection_of(request, source)
    # A trashed parent is not shown; the extension starts from it all the same.
    parent = source.parent if source.parent and not source.parent.trashed_at else None
    form = GenerationForm(member=request.user, initial=initial)
    return _studio_page(request, form, extending=parent, preset="all")


@require_POST
def generations(request: MemberRequest) -> HttpResponse:
    """Submit a generation or an extension."""
    form = GenerationForm(request.POST, request.FILES, member=request.user)
    form.is_valid()
    store_pictures(form)
    if form.has_error("video_id", NO_SOURCE) and form.cleaned_data["form"] and not request.htmx:
        return picker_page(request, form, error="Choose the video to extend. Nothing was submitted.", status=422)
    if form.errors:
        return _form_again(request, form)
    try:
        submissions = form.request().submit(
            request.user,
            confirmed=form.cleaned_data["again"],
            # Only a person is asked about finished videos: a script that repeats a request later means it.
            include_finished=bool(form.cleaned_data["form"]),
        )
    except AlreadyRequested as error:
        form.show_equal_requests(error)
        return _form_again(request, form)
    except OverBudget as error:
        form.add_error(None, str(form.estimate.over_budget(error)))
        return _form_again(request, form)
    except CollectionGone:
        form.add_error("collection", COLLECTION_GONE)
        return _form_again(request, form)
    enqueue_drain()
    if not request.htmx:
        return redirect("studio")
    return submitted(request, *submissions, submission_key=uuid4())


def _form_again(request: MemberRequest, form: GenerationForm) -> HttpResponse:
    """Return the submitted form with its errors, or with the equal requests that stopped it."""
    if request.htmx:
        return render(request, "studio/_form.html", _form_context(form, form.parent), status=422)
    return _studio_page(request, form, extending=form.parent, status=422)


def submitted(request: MemberRequest, *submissions: Submission, submission_key: UUID | str = "") -> HttpResponse:
    """Return the new cards, and for a form that stays on the page a new key: the next press is a new submission."""
    cards = list(Generation.objects.for_gallery(request.user).filter(submission__in=submissions))
    context: dict[str, Any] = {
        "created_days": in_days(cards),
        "submission_key": submission_key,
        "counts": counts_for(request.user),
        "usual": usual_seconds(),
    }
    if submission_key:
        context["estimate"] = GenerationForm(member=request.user).estimate
    return reswap(render(request, "studio/_submitted.html", context), "none")


@require_POST
def code(request: MemberRequest) -> HttpResponse:
    """Return the form's request as code; nothing is stored or sent."""
    form = GenerationForm(request.POST, member=request.user)
    language = next((value for name, value in request.POST.items() if name.endswith("-language")), "curl")
    context = {"code": provider.examples(form.example()), "code_notes": _code_notes(form), "language": language}
    if request.htmx:
        return render(request, "studio/_code.html", context | {"panel": request.htmx.target or "request-code"})
    return render(request, "studio/code.html", context)


def _code_notes(form: GenerationForm) -> list[str]:
    notes = [str(error) for errors in form.errors.values() for error in errors]
    if len(form.prompts) > 1:
        notes.append(f"This is the first of {len(form.prompts)} prompts. Each is a separate request.")
    if form.cleaned_data.get("count", 1) > 1:
        notes.append("Each take is a separate request with the same settings.")
    return notes


@require_GET
def prompts(request: MemberRequest) -> HttpResponse:
    """List the member's earlier prompts, each once, latest first."""
    mine = Generation.objects.filter(member=request.user, trashed_at__isnull=True).exclude(prompt="")
    found: dict[str, UUID] = {}
    for uuid, prompt in mine.order_by("-pk").values_list("uuid", "prompt")[:MAX_PROMPT_SOURCES]:
        found.setdefault(prompt, uuid)
    context = {"prompts": [(uuid, prompt) for prompt, uuid in found.items()][:MAX_PROMPTS]}
    return render(request, "studio/_prompts.html" if request.htmx else "studio/prompts.html", context)
