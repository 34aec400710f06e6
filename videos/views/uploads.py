from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST, require_safe

from ..forms import FilterForm, frames_impossible, keep_frame
from ..media.decoding.errors import Busy, NotAPicture
from ..models import Filters, Frame, Generation
from . import delivery
from .params import parse_int

CLIPS = 24


@require_safe
def upload(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """An uploaded frame, for the team's own eyes."""
    frame = get_object_or_404(Frame.objects.exclude(file=""), uuid=uuid)
    return delivery.picture(request, frame.file, content_type="image/jpeg")


@require_POST
def uploads(request: HttpRequest) -> HttpResponse:
    """Keep a picture for the form, before the form itself is sent."""
    picture = request.FILES.get("image")
    try:
        if reason := "Choose a picture." if picture is None else frames_impossible():
            return JsonResponse({"error": reason}, status=422)
        frame = keep_frame(picture, request.user)
    except NotAPicture as error:
        return JsonResponse({"error": str(error)}, status=422)
    except Busy as busy:
        return JsonResponse({"error": str(busy)}, status=503, headers={"Retry-After": "5"})
    except OSError:
        reason = "The picture could not be stored here. Tell your admin that the disk may be full."
        return JsonResponse({"error": reason}, status=507)
    return JsonResponse(
        {
            "frame": frame.uuid,
            "url": reverse("upload", args=[frame.uuid]),
            "width": frame.width,
            "height": frame.height,
        }
    )


@require_GET
def clips(request: HttpRequest) -> HttpResponse:
    """The finished videos, to take a picture of: `side` says for which frame, `q` narrows, `before` pages."""
    form = FilterForm({"q": request.GET.get("q", "")})
    words = form.filters(request.user).words
    rows = Generation.objects.for_gallery(filters=Filters(words=words)).filter(archive="saved")
    if before := parse_int(request.GET.get("before")):
        rows = rows.before(before)
    found = list(rows[: CLIPS + 1])
    context = {
        "side": "end" if request.GET.get("side") == "end" else "start",
        "words": words,
        "clips": found[:CLIPS],
        "older": found[CLIPS - 1].pk if len(found) > CLIPS else None,
        "frames_reason": frames_impossible(),
    }
    return render(request, "studio/_video_picker.html" if request.htmx else "studio/video_picker.html", context)
