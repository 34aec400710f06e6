"""What is open without sign-in: the provider's callback, what the provider fetches, and the health of the house."""

import logging
from datetime import timedelta
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from .. import provider
from ..models import Generation, Heartbeat, TemporaryLink, Verdict
from ..tasks import MEDIA, SUBMISSIONS, settle
from .ranges import ranged

logger = logging.getLogger(__name__)

CALLBACK_AT_MOST = 64 * 1024
# Workers are asked to stamp every 15 s; what is silent for longer than twice that is late, and soon killed.
HEARTBEAT_AT_MOST = timedelta(seconds=40)


def _unknown() -> HttpResponse:
    """The same answer whatever is unknown, so that nobody learns which generations there are."""
    return HttpResponse("Not found.\n", status=404, content_type="text/plain")


@csrf_exempt
@login_not_required
def callback(request: HttpRequest, uuid: UUID, key: str) -> HttpResponse:
    """Take in a result. The key is checked before the body is read."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    generation = Generation.objects.only(*Generation.FOR_NEWS).filter(uuid=uuid).order_by().first()
    if generation is None or not generation.opens_with(key):
        return _unknown()
    length = request.META.get("CONTENT_LENGTH") or "0"
    # Django reads as many bytes as were announced. A body in chunks announces none, and ends by itself.
    in_chunks = request.META.get("wsgi.input_terminated") and not request.META.get("CONTENT_LENGTH")
    stream = request.META["wsgi.input"] if in_chunks else request
    if not length.isdigit() or int(length) > CALLBACK_AT_MOST:
        return HttpResponse("The body is too large.\n", status=413, content_type="text/plain")
    try:
        body = stream.read(CALLBACK_AT_MOST + 1)
    except Exception as error:  # the web server has types of its own for a broken chunk
        logger.warning("callback of generation %s broke off: %s", uuid, error)
        return HttpResponse("The body cannot be read.\n", status=400, content_type="text/plain")
    if len(body) > CALLBACK_AT_MOST:
        return HttpResponse("The body is too large.\n", status=413, content_type="text/plain")
    try:
        result = provider.read_callback(body)
    except ValueError as error:
        logger.warning("callback of generation %s cannot be read: %s", uuid, error)
        return HttpResponse("The body is not a result in JSON.\n", status=400, content_type="text/plain")
    if settle(generation, result, "callback") is Verdict.REFUSED:
        return _unknown()
    return HttpResponse(status=204)


def _for_the_provider(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Disposition"] = "inline"
    return response


@login_not_required
@require_safe
def frame(request: HttpRequest, key: str) -> HttpResponse:
    """An uploaded frame, while the work it belongs to may need it."""
    link = TemporaryLink.objects.open_now(key)
    if not link or not link.frame or not link.frame.file:
        return _unknown()
    try:
        return _for_the_provider(FileResponse(link.frame.file.open("rb"), content_type="image/jpeg"))
    except FileNotFoundError:
        return _unknown()


@login_not_required
@require_safe
def clip(request: HttpRequest, key: str) -> HttpResponse:
    """Our saved copy of a video that is being extended."""
    link = TemporaryLink.objects.open_now(key)
    if not link or not link.clip or not link.clip.video_file:
        return _unknown()
    try:
        return _for_the_provider(
            ranged(request, link.clip.video_file, content_type="video/mp4", etag=f'"{link.clip.sha256}"')
        )
    except Http404:
        return _unknown()


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process is up. Asks nothing of the database."""
    return JsonResponse({"ok": True})


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Everything that is needed works; 503 with the reasons otherwise."""
    parts = {"database": _database(), "storage": _storage()}
    if not parts["database"]:
        parts |= {"worker": _heartbeat(SUBMISSIONS), "media worker": _heartbeat(MEDIA)}
    problems = {name: problem for name, problem in parts.items() if problem}
    return JsonResponse({"ok": not problems, "problems": problems}, status=503 if problems else 200)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"The database does not answer: {error.__class__.__name__}."
    return ""


def _storage() -> str:
    try:
        name = default_storage.save("probe/ready", ContentFile(b"ready"))
        default_storage.delete(name)
    except OSError as error:
        return f"Media cannot be written: {error.strerror or error}."
    return ""


def _heartbeat(name: str) -> str:
    try:
        stamp = Heartbeat.objects.of(name).first()
    except DatabaseError as error:
        return f"The database cannot be asked for it: {error.__class__.__name__}."
    if not stamp:
        return "No worker has reported yet."
    age = timezone.now() - stamp.at
    return f"No worker has reported for {int(age.total_seconds())} s." if age > HEARTBEAT_AT_MOST else ""


@login_not_required
@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain")
