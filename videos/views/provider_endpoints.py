"""What is open without sign-in: the provider's callback, and what the provider fetches."""

import logging
from collections.abc import Callable
from functools import cache, partial
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
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

CALLBACK_WAIT = 5.0  # seconds for the database's write lock
# What a provider fetches is for its eyes alone.
NOT_KEPT = "private, no-store"


def _unknown() -> HttpResponse:
    """The same answer whatever is unknown, so that nobody learns which generations there are."""
    return HttpResponse("Not found.\n", status=404, content_type="text/plain")


@csrf_exempt
@login_not_required
@timed("callback")
def callback(request: HttpRequest, uuid: UUID, key: str) -> HttpResponse:
    """Take in a result. The key is checked before the body is read."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    logs.GENERATION.set(str(uuid))
    body = cache(partial(_body, request))  # a stream, which can be read once
    try:
        # The provider waits 10 s for its answer.
        with lock_wait_limit(CALLBACK_WAIT):
            return _take_callback(request, uuid, key, body)
    except Error as error:
        if not (problem := storage_problem(error)):
            raise
        logger.warning("callback of generation %s cannot be stored: %s", uuid, problem)
        return _missed(uuid, key, body())


def _take_callback(
    request: HttpRequest, uuid: UUID, key: str, read: Callable[[], bytes | HttpResponse]
) -> HttpResponse:
    generation = Generation.objects.only(*Generation.CALLBACK_FIELDS).filter(uuid=uuid).order_by().first()
    if generation is None:
        return _rehearsed(request) if self_test.opens(uuid, key) else _unknown()
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


def _missed(uuid: UUID, key: str, body: bytes | HttpResponse) -> HttpResponse:
    """Note whose result it was; the provider may send it again, or may not."""
    if isinstance(body, HttpResponse):
        return body
    try:
        task_id = provider.read_callback(body).task_id
    except ValueError:
        task_id = ""
    missed_callbacks.note(Missed(uuid, key, task_id))
    answer = HttpResponse("Nothing can be stored right now.\n", status=503, content_type="text/plain")
    answer.headers["Retry-After"] = "30"
    return answer


def _body(request: HttpRequest) -> bytes | HttpResponse:
    """What was posted, or the answer to one that cannot be read."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    # Django reads as many bytes as were announced. A body in chunks announces none, and ends by itself.
    in_chunks = request.META.get("wsgi.input_terminated") and not request.META.get("CONTENT_LENGTH")
    stream = request.META["wsgi.input"] if in_chunks else request
    if not length.isdigit() or int(length) > settings.CALLBACK_MAX_BYTES:
        return HttpResponse("The body is too large.\n", status=413, content_type="text/plain")
    try:
        body = stream.read(settings.CALLBACK_MAX_BYTES + 1)
    except Exception as error:  # the web server has types of its own for a broken chunk
        logger.warning("a callback broke off: %s", error)
        return HttpResponse("The body cannot be read.\n", status=400, content_type="text/plain")
    if len(body) > settings.CALLBACK_MAX_BYTES:
        return HttpResponse("The body is too large.\n", status=413, content_type="text/plain")
    return body


def _rehearsed(request: HttpRequest) -> HttpResponse:
    """Prove that this body came through to us as it was sent; nothing is done with it."""
    body = _body(request)
    return body if isinstance(body, HttpResponse) else JsonResponse({"proof": self_test.proof(body)})


@login_not_required
@require_safe
def frame(request: HttpRequest, key: str) -> HttpResponse:
    """An uploaded frame, while the work it belongs to may need it."""
    link = TemporaryLink.objects.open_now(key)
    if not link or not link.frame or not link.frame.file:
        return _unknown()
    try:
        return delivery.picture(request, link.frame.file, content_type="image/jpeg", kept=NOT_KEPT)
    except Http404:
        return _unknown()


@login_not_required
@require_safe
def clip(request: HttpRequest, key: str) -> HttpResponse:
    """Our saved copy of a video that is being extended."""
    link = TemporaryLink.objects.open_now(key)
    if not link or not link.clip or not link.clip.video_file:
        return _unknown()
    try:
        # Through us from a bucket too: not every provider follows a redirect, and this address is the one it was told.
        etag = f'"{link.clip.sha256}"'
        return delivery.video(request, link.clip.video_file, etag=etag, kept=NOT_KEPT, by_link=False)
    except Http404:
        return _unknown()


@login_not_required
@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain")
