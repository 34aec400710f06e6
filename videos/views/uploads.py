from uuid import UUID

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from ..models import Frame


@require_safe
def upload(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """An uploaded frame, for the team's own eyes."""
    frame = get_object_or_404(Frame.objects.exclude(file=""), uuid=uuid)
    try:
        response = FileResponse(frame.file.open("rb"), content_type="image/jpeg")
    except FileNotFoundError:
        raise Http404("the file is missing") from None
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return response
