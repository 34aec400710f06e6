"""Endpoints for the provider, without a sign-in: the callback, and the files it fetches."""

import logging
from collections.abc import Callable
from functools import cache, partial
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from lumaweb import logs
from lumaweb.sqlite.base import lock_wait_limit
from lumaweb.storage_errors import storage_problem

from .. import provider, self_test
from ..jobs.results import record_result
from ..models import Generation, TemporaryLink, Verdict
from . import delivery
from .missed_callbacks import Missed, missed_callbacks
from .timing import timed

logger = logging.getLogger(__name__)

CALLBACK_WAIT = 5.0  # seconds for the database's write lock; the provider waits 10 for the response
NO_STORE = "private, no-store"


def _unknown() -> HttpResponse:
    """Return the same response whatever is unknown, so that nobody learns which generations exist."""
    return HttpResponse("Not found.\n", status=404, content_type="text/plain")


@csrf_exempt
@login_not_required
@timed("callback")
def callback(request: HttpRequest, uuid: UUID, key: str) -> HttpResponse:
    """Record a result. The key is checked before the body is read."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    logs.GENERATION.set(str(uuid))
    body = cache(partial(_read_body, request))  # a stream, which can be read only once
    try:
        with lock_wait_limit(CALLBACK_WAIT):
            return _record_callback(request, uuid, key, body)
    except Error as error:
        if not (problem := storage_problem(error)):
            raise
        logger.warning("callback of generation %s cannot be stored: %s", uuid, problem)
        return _not_stored(uuid, key, body())


def _record_callback(
    request: HttpRequest, uuid: UUID, key: str, read: Callable[[], bytes | HttpResponse]
) -> HttpResponse:
    generation = Generation.objects.only(*Generation.CALLBACK_FIELDS).filter(uuid=uuid).order_by().first()
    if generation is None:
        return _self_test(request) if self_test.opens(uuid, key) else _unknown()
    if not generation.opens_with(key):
        return _unknown()
    body = read()
    if isinstance(body, HttpResponse):
        return body
    try:
        result = provider.read_callback(body)
    except ValueError as error:
        logger.warning("callback of generation %s cannot be read: %s", uuid, error)
        return HttpResponse("The body is not a result in JSON.\n", status=400, content_type="text/plain")
    if record_result(generation, result, "callback") is Verdict.REFUSED:
        return _unknown()
    return HttpResponse(status=204)


def _not_stored(uuid: UUID, key: str, body: bytes | HttpResponse) -> HttpResponse:
    """Remember whose callback it was, since the provider may not send it again, and answer 503."""
    if isinstance(body, HttpResponse):
        return body
    try:
        task_id = provider.read_callback(body).task_id
    except ValueError:
        task_id = ""
    missed_callbacks.add(Missed(uuid, key, task_id))
    response = HttpResponse("Nothing can be stored right now.\n", status=503, content_type="text/plain")
    response.headers["Retry-After"] = "30"
    return response


def _read_body(request: HttpRequest) -> bytes | HttpResponse:
    """Return the body, or the response to one that is too large or broken."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    # Django reads the announced number of bytes. A chunked body announces none and marks its own end.
    is_chunked = request.META.get("wsgi.input_terminated") and not request.META.get("CONTENT_LENGTH")
    stream = request.META["wsgi.input"] if is_chunked else request
    if not length.isdigit() or int(length) > settings.CALLBACK_MAX_BYTES:
        return HttpResponse("The body is too large.\n", status=413, content_type="text/plain")
    try:
        body: bytes = stream.read(settings.CALLBACK_MAX_BYTES + 1)
    except Exception as error:  # the web server raises its own types for a broken chunk
        logger.warning("a callback broke off: %s", error)
        return HttpResponse("The body cannot be read.\n", status=400, content_type="text/plain")
    if len(body) > settings.CALLBACK_MAX_BYTES:
        return HttpResponse("The body is too large.\n", status=413, content_type="text/plain")
    return body


def _self_test(request: HttpRequest) -> HttpResponse:
    """Prove to the doctor that this body arrived unchanged."""
    body = _read_body(request)
    return body if isinstance(body, HttpResponse) else JsonResponse({"proof": self_test.proof(body)})


@login_not_required
@require_safe
def frame(request: HttpRequest, key: str) -> HttpResponseBase:
    """Return an uploaded frame while a generation may need it."""
    link = TemporaryLink.objects.open_now(key)
    if not link or not link.frame or not link.frame.file:
        return _unknown()
    try:
        return delivery.picture(request, link.frame.file, content_type="image/jpeg", cache_control=NO_STORE)
    except Http404:
        return _unknown()


@login_not_required
@require_safe
def source_video(request: HttpRequest, key: str) -> HttpResponseBase:
    """Return the saved copy of a video that is being extended."""
    link = TemporaryLink.objects.open_now(key)
    if not link or not link.video or not link.video.video_file:
        return _unknown()
    etag = f'"{link.video.sha256}"'
    try:
        # Never by a redirect to the bucket: not every provider follows one.
        return delivery.video(request, link.video.video_file, etag=etag, cache_control=NO_STORE, by_link=False)
    except Http404:
        return _unknown()


@login_not_required
@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain")
