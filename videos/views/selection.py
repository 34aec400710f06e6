"""What is done to several videos at once: to those that were ticked on the wall."""

import logging
from uuid import UUID

import zipstream
from django.contrib import messages
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.text import slugify
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from ..jobs.queue import enqueue_drain
from ..media.storage import file_sizes
from ..models import Collection, Generation, OverBudget, Star, State, Submission, TooManyCollections
from . import delivery, streams
from .context import counts_for
from .gallery import MAX_SELECTED, in_days, usual_seconds
from .navigation import previous_path
from .params import parse_uuid, parse_uuids
from .studio import submitted

logger = logging.getLogger(__name__)

NOTHING_TO_RETRY = "None of these failed or was canceled, so there is nothing to retry."
NOT_IN_IT = "not-included.txt"
# Keeps the address of the comparison, 40 characters a video, within what web servers accept.
COMPARED_AT_MOST = 50


def _ticked(request: HttpRequest) -> list[Generation]:
    """The rows that were ticked, newest first; at most so many, and only such as are there."""
    return list(Generation.objects.for_gallery(request.user).filter(uuid__in=_named(request)))


def _named(request: HttpRequest) -> list[UUID]:
    return parse_uuids(request.POST.getlist("v")[:MAX_SELECTED])


def _many(count: int) -> str:
    return "1 video" if count == 1 else f"{count} videos"


def _said(request: HttpRequest, words: str, rows: list[Generation] = (), **context) -> HttpResponse:
    """Say what was done. With htmx: a toast, and the cards as they are now."""
    if not request.htmx:
        messages.info(request, words)
        return redirect(previous_path(request) or "studio")
    now = Generation.objects.for_gallery(request.user).filter(pk__in=[row.pk for row in rows])
    context |= {"words": words, "changed": now, "usual": usual_seconds(), "counts": counts_for(request.user)}
    return render(request, "gallery/_selection_result.html", context)


@require_POST
def stars(request: HttpRequest) -> HttpResponse:
    """Star them all; where each has a star already, take them off."""
    rows = _ticked(request)
    if rows and all(row.starred for row in rows):
        Star.take(request.user, rows)
        return _said(request, f"Took the star off {_many(len(rows))}.", rows)
    Star.put(request.user, rows)
    return _said(request, f"Starred {_many(len(rows))}." if rows else "Nothing is selected.", rows)


@require_POST
def collections(request: HttpRequest) -> HttpResponse:
    """Put them into a collection, an old or a new one; or take them out of the one that is shown."""
    rows = _ticked(request)
    if request.POST.get("out"):
        if shelf := _collection(request.POST.get("collection", "")):
            shelf.remove(rows)
            return _said(request, f"Removed {_many(len(rows))} from {shelf.name}.", gone=rows)
        return _said(request, "This collection is not here any more.")
    shelf = _collection(request.POST.get("into", ""))
    name = " ".join(request.POST.get("name", "").replace("\0", "").split())[:80]
    if not shelf and name:
        try:
            shelf, _ = Collection.objects.named(name, request.user)
        except TooManyCollections as error:
            return _said(request, str(error))
    if not shelf:
        return _said(request, "Give the new collection a name.")
    added = shelf.add(rows, request.user)
    rest = len(rows) - added
    words = f"Added {_many(added)} to {shelf.name}."
    return _said(request, f"{words} {_many(rest)} {'was' if rest == 1 else 'were'} in it already." if rest else words)


def _collection(text: str) -> Collection | None:
    return Collection.objects.filter(uuid=parse_uuid(text)).first()


@require_POST
def trash(request: HttpRequest) -> HttpResponse:
    """Move to the trash what this member may; say what stays, and why."""
    rows = _ticked(request)
    moved = [row for row in rows if row.may_be_changed_by(request.user) and row.trash(request.user)]
    foreign = sum(not row.may_be_changed_by(request.user) for row in rows)
    words = f"Moved {_many(len(moved))} to the trash."
    if foreign:
        words += f" {_many(foreign)} of others can be moved by their author or an admin only."
    if busy := len(rows) - len(moved) - foreign:
        words += f" {_many(busy)} cannot be stopped any more."
    return _said(request, words, gone=moved, undo=moved)


@require_POST
def retries(request: HttpRequest) -> HttpResponse:
    """Retry the failed and canceled videos that this member may change, and report the others.

    An unconfirmed video may be charged twice, so it is retried only by the button on its card, which says so.
    """
    rows = _ticked(request)
    chosen = [row for row in reversed(rows) if row.state in (State.FAILED, State.CANCELED)]
    own = [row for row in chosen if row.may_be_changed_by(request.user)]
    again, made, left = [], 0, ""
    try:
        for row in own:
            submission, is_new = Submission.objects.retry(row, request.user)
            again += [submission] if submission else []
            made += is_new
    except OverBudget as error:
        left += f" The others were not retried: {error}"
    if made:
        enqueue_drain()
    if foreign := len(chosen) - len(own):
        left += f" {_many(foreign)} of others can be retried by their author or an admin only."
    if doubtful := sum(row.state == State.UNCONFIRMED for row in rows):
        left += f" {_many(doubtful)} in doubt may be charged twice: retry each on its own card."
    words = (f"Retried {_many(made)}." if made else "Nothing was retried." if left else NOTHING_TO_RETRY) + left
    if not request.htmx:
        return _said(request, words)
    return trigger_client_event(submitted(request, *again), "toast", {"text": words})


@require_POST
def restoration(request: HttpRequest) -> HttpResponse:
    """Undo: take them out of the trash again."""
    rows = [row for row in Generation.objects.filter(uuid__in=_named(request)) if row.may_be_changed_by(request.user)]
    back = [row.pk for row in rows if row.restore(request.user)]
    shown = list(Generation.objects.for_gallery(request.user).filter(pk__in=back))
    if not request.htmx:
        return _said(request, f"Restored {_many(len(back))}.")
    context = {"restored_days": in_days(shown), "usual": usual_seconds(), "counts": counts_for(request.user)}
    return render(request, "gallery/_restored.html", context)


@require_POST
def compare(request: HttpRequest) -> HttpResponse:
    """Redirect to the comparison of them: its address names the videos and nothing else that the form holds."""
    query = urlencode([("v", uuid) for uuid in _named(request)[:COMPARED_AT_MOST]])
    return redirect(f"{reverse('compare')}{'?' if query else ''}{query}")


@require_POST
def archive(request: HttpRequest) -> HttpResponse:
    """Send the selected videos as one ZIP, created while it is sent and never held in memory."""
    rows = _ticked(request)
    try:
        sizes = file_sizes([row.video_file.name for row in rows if row.is_saved])
    except OSError as error:
        logger.warning("no archive of %d videos: %s", len(rows), error)
        messages.error(request, delivery.NOT_NOW)
        return redirect(previous_path(request) or "studio")
    saved = [row for row in rows if row.is_saved and row.video_file.name in sizes]
    if not saved:
        words = "None of these is saved here, so there is nothing to download." if rows else "Nothing is selected."
        messages.info(request, words)
        return redirect(previous_path(request) or "studio")
    # Videos are compressed already: stored as they are, and the length can be told before.
    bundle = zipstream.ZipStream(compress_type=zipstream.ZIP_STORED, sized=True)
    for row in saved:
        name = f"{slugify(row.prompt[:60]) or 'video'}-{row.uuid.hex[:8]}.mp4"
        bundle.add(_chunks(row.video_file.name), name, size=sizes[row.video_file.name])
    if left_out := [row for row in rows if row not in saved]:
        lines = [f"{row.uuid}  {row.get_state_display()}  {row.prompt[:80]!r}" for row in left_out]
        bundle.add("\n".join(["Not saved here, and so not in this archive:", *lines, ""]).encode(), NOT_IN_IT)
    stamp = timezone.localtime().strftime("%Y-%m-%d-%H%M")
    headers = {
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="lumaweb-{stamp}.zip"',
    }
    content = streams.GeneratedFile(iter(bundle), len(bundle))
    try:
        return streams.stream(content, headers, from_bucket=delivery.is_bucket(default_storage))
    except streams.TooManyStreams as error:
        messages.error(request, str(error))
        return redirect(previous_path(request) or "studio")


def _chunks(name: str):
    """Yield the content of a file. If it is missing, the download ends early: its length is in the headers already."""
    with default_storage.open(name, "rb") as file:
        while chunk := file.read(streams.CHUNK_SIZE):
            yield chunk
