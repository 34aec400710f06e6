"""Frames: upload them, take them from a video, and show them to the team."""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from .. import frames
from ..media.decoding.errors import Busy
from ..models import Frame, Generation
from . import delivery
from .requests import MemberRequest

BUSY_RETRY_SECONDS = 5


@require_safe
def frame(request: MemberRequest, uuid: UUID) -> HttpResponseBase:
    """Return a stored frame to a member."""
    stored = get_object_or_404(Frame.objects.exclude(file=""), uuid=uuid)
    return delivery.picture(request, stored.file, content_type="image/jpeg")


def _described(stored: Frame) -> JsonResponse:
    url = reverse("frame", args=[stored.uuid])
    return JsonResponse({"frame": stored.uuid, "url": url, "width": stored.width, "height": stored.height})


@require_POST
def upload_frame(request: MemberRequest) -> HttpResponse:
    """Store a picture before the form that uses it is submitted."""
    upload = request.FILES.get("image")
    if upload is None:
        return JsonResponse({"error": "Choose a picture."}, status=422)
    if reason := frames.why_unavailable():
        return JsonResponse({"error": reason}, status=422)
    try:
        return _described(frames.store(frames.check_upload(upload, request.user), request.user))
    except frames.FrameError as error:
        return JsonResponse({"error": str(error)}, status=422)
    except Busy as error:
        return JsonResponse({"error": str(error)}, status=503, headers={"Retry-After": str(BUSY_RETRY_SECONDS)})
    except OSError:
        return JsonResponse({"error": frames.NOT_STORED}, status=507)


@require_POST
def extract_frame(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Take a frame from a saved video: `at` is "first", "last" or seconds.

    `side` is "start", "end", or "new" for the start of a new video of the same shape.
    """
    generation = get_object_or_404(Generation.objects.for_gallery(), uuid=uuid)
    wants_json = "application/json" in request.headers.get("Accept", "")
    try:
        stored = frames.extract(generation, request.POST.get("at", ""), request.user)
    except frames.FrameError as error:
        if wants_json:
            return JsonResponse({"error": str(error)}, status=422)
        messages.error(request, str(error))
        return redirect(generation)
    if wants_json:
        return _described(stored)
    side = "end" if request.POST.get("side") == "end" else "start"
    query = {"mode": "frames", f"{side}_frame": stored.uuid}
    if request.POST.get("side") == "new":
        query |= {"aspect_ratio": generation.shape}
    return redirect(f"{reverse('studio')}?{urlencode(query)}#new")
