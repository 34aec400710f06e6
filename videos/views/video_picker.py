"""The video picker: choose a video to extend, or one to take a frame from."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from .. import frames
from ..forms import FilterForm, GenerationForm
from ..keyset import read_page
from ..models import Filters, Generation
from .params import parse_int
from .pictures import store_pictures
from .requests import MemberRequest

PAGE_SIZE = 24
TITLES = {
    "start": "Choose the start frame",
    "end": "Choose the end frame",
    "extend": "Choose a video to extend",
}


@require_http_methods(["GET", "POST"])
def video_picker(request: MemberRequest) -> HttpResponse:
    """List videos to choose from: `side` is the frame they are for, or "extend"; `q` searches, `before` is the cursor.

    Without JavaScript, the studio's form posts its fields here, and gets them back with the chosen video.
    """
    if request.method == "POST":
        form = GenerationForm(request.POST, request.FILES, member=request.user)
        form.is_valid()
        store_pictures(form)
        return picker_page(request, form)
    side = request.GET.get("side", "")
    context = _listed(request, side if side in TITLES else "start")
    return render(request, "studio/_video_picker.html" if request.htmx else "studio/video_picker.html", context)


def picker_page(request: MemberRequest, form: GenerationForm, *, error: str = "", status: int = 200) -> HttpResponse:
    """Return the page that offers videos to extend and keeps the values of this form."""
    context = _listed(request, "extend") | {"kept": form.kept_values, "keeps": True, "error": error}
    return render(request, "studio/video_picker.html", context, status=status)


def _listed(request: MemberRequest, purpose: str) -> dict[str, Any]:
    query = request.POST if request.method == "POST" else request.GET
    words = FilterForm({"q": query.get("q", "")}).filters(request.user).words
    rows = Generation.objects.for_gallery(filters=Filters(words=words))
    rows = rows.filter(state="completed") if purpose == "extend" else rows.filter(archive="saved")
    before = parse_int(query.get("before"))
    page = read_page(rows.before(before) if before else rows, PAGE_SIZE)
    return {
        "side": purpose,
        "picker_title": TITLES[purpose],
        "words": words,
        "videos": page.rows,
        "older": page.last.pk if page.last else None,
        "frames_reason": "" if purpose == "extend" else frames.why_unavailable(),
    }
