"""Actions on the videos that are selected in the gallery."""

import logging
from collections.abc import Iterable
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from ..forms.fields import COLLECTION_GONE
from ..jobs.queue import enqueue_drain
from ..limits import MAX_SELECTED
from ..models import (
    Collection,
    CollectionGone,
    Generation,
    OverBudget,
    Star,
    State,
    Submission,
    TooManyCollections,
)
from ..models.state import GIVEN_UP
from . import delivery
from .collection_lists import renew_lists
from .collections import collection_link, collection_name
from .context import counts_for
from .gallery import in_days, usual_seconds
from .generation import download_name
from .navigation import previous_path
from .params import parse_uuid, parse_uuids
from .requests import MemberRequest
from .streams import TooManyStreams
from .studio import submitted
from .zips import videos_with_files, zip_response

logger = logging.getLogger(__name__)

NOTHING_SELECTED = "No videos are selected."
NOTHING_TO_RETRY = "None of the selected videos failed or was canceled."
# Keeps the address of the comparison, 40 characters a video, within what web servers accept.
MAX_COMPARED = 50


def _selected_uuids(request: MemberRequest) -> list[UUID]:
    return parse_uuids(request.POST.getlist("v")[:MAX_SELECTED])


def _selected(request: MemberRequest) -> list[Generation]:
    """Return the selected videos, newest first; those that are not available are left out."""
    return list(Generation.objects.for_gallery(request.user).filter(uuid__in=_selected_uuids(request)))


def _nothing_left(request: MemberRequest) -> str:
    """Say why no selected video is in the gallery: another tab or member may have moved them."""
    return "The selected videos are in the trash already." if _selected_uuids(request) else NOTHING_SELECTED


def _videos(count: int) -> str:
    return "1 video" if count == 1 else f"{count} videos"


def _result(
    request: MemberRequest,
    message: str,
    changed: Iterable[Generation] = (),
    *,
    gone: Iterable[Generation] = (),
    undo: Iterable[Generation] = (),
) -> HttpResponse:
    """Report what was done; for htmx with a toast and the current cards."""
    if not request.htmx:
        messages.info(request, message)
        return _redirect_back(request)
    context = {
        "message": message,
        "changed": Generation.objects.for_gallery(request.user).filter(pk__in=[row.pk for row in changed]),
        "gone": gone,
        "undo": undo,
        "usual": usual_seconds(),
        "counts": counts_for(request.user),
    }
    return render(request, "gallery/_selection_result.html", context)


def _redirect_back(request: MemberRequest) -> HttpResponse:
    return redirect(previous_path(request) or "studio")


@require_POST
def stars(request: MemberRequest) -> HttpResponse:
    """Star the selected videos; if all of them are starred, remove the stars."""
    rows = _selected(request)
    if not rows:
        return _result(request, NOTHING_SELECTED)
    if all(getattr(row, "starred", False) for row in rows):
        Star.remove(request.user, rows)
        return _result(request, f"Unstarred {_videos(len(rows))}.", rows)
    Star.add(request.user, rows)
    return _result(request, f"Starred {_videos(len(rows))}.", rows)


@require_POST
def collections(request: MemberRequest) -> HttpResponse:
    """Add the videos to an existing or a new collection; with `out` remove them from the one that is shown."""
    rows = _selected(request)
    if request.POST.get("out"):
        if collection := _collection(request, "collection"):
            collection.remove(rows)
            return _result(request, f"Removed {_videos(len(rows))} from {collection.name}.", gone=rows)
        return _result(request, COLLECTION_GONE)
    is_new = False
    try:
        if request.POST.get("into"):
            target = _collection(request, "into")
        elif name := collection_name(request):
            target, is_new = Collection.objects.named(name, request.user)
        else:
            return _result(request, "Enter a name for the collection.")
        if not target:
            raise CollectionGone
        added = target.add(rows, request.user)
    except TooManyCollections as error:
        return _result(request, str(error))
    except CollectionGone:
        return _result(request, COLLECTION_GONE)
    message = format_html("Added {} to {}.", _videos(added), collection_link(target))
    if known := len(rows) - added:
        message += format_html(" {} {} in it already.", _videos(known), "was" if known == 1 else "were")
    response = _result(request, message)
    return renew_lists(response) if is_new and request.htmx else response


def _collection(request: MemberRequest, field: str) -> Collection | None:
    uuid = parse_uuid(request.POST.get(field, ""))
    return Collection.objects.filter(uuid=uuid).first() if uuid else None


@require_POST
def trash(request: MemberRequest) -> HttpResponse:
    """Move the videos to the trash that this member may change, and report the others."""
    rows = _selected(request)
    if not rows:
        return _result(request, _nothing_left(request))
    own = [row for row in rows if row.may_be_changed_by(request.user)]
    moved = [row for row in own if row.trash(request.user)]
    message = f"Moved {_videos(len(moved))} to the trash."
    if foreign := len(rows) - len(own):
        message += f" {_videos(foreign)} can only be moved by their author or an admin."
    if busy := len(own) - len(moved):
        message += f" {_videos(busy)} cannot be stopped any more."
    return _result(request, message, gone=moved, undo=moved)


@require_POST
def retries(request: MemberRequest) -> HttpResponse:
    """Retry the failed and canceled videos that this member may change, and report the others.

    A video that may be charged twice is retried only on its card, which says so.
    """
    rows = _selected(request)
    doubtful = [row for row in rows if row.may_be_charged_twice]
    ended = [row for row in reversed(rows) if row.state in (State.FAILED, State.CANCELED) and row not in doubtful]
    own = [row for row in ended if row.may_be_changed_by(request.user)]
    replaced = _replaced(rows)
    submissions, created, problem = _retry_each(request, [row for row in own if row.pk not in replaced])
    if created:
        enqueue_drain()
    notes = [f"The others were not retried: {problem}"] if problem else []
    if known := len(submissions) - created + sum(row.pk in replaced for row in own):
        notes.append(f"{_videos(known)} {'was' if known == 1 else 'were'} retried already.")
    if foreign := len(ended) - len(own):
        notes.append(f"{_videos(foreign)} can only be retried by their author or an admin.")
    if doubtful:
        notes.append(f"{_videos(len(doubtful))} may be charged twice: retry each on its card.")
    none = "Nothing was retried." if notes else NOTHING_TO_RETRY if rows else _nothing_left(request)
    result = f"Retried {_videos(created)}." if created else none
    message = " ".join([result, *notes])
    if not request.htmx:
        return _result(request, message)
    return trigger_client_event(submitted(request, *submissions), "toast", {"text": message})


def _replaced(rows: list[Generation]) -> set[int]:
    """Return the pks of rows that have a retry which is finished, may be charged, or is one of these rows.

    To retry both a failed video and its failed retry would pay twice for one request.
    """
    retries = Generation.objects.filter(retry_of__in=rows, trashed_at__isnull=True)
    done = Q(state=State.COMPLETED) | Q(state=State.FAILED, error_code__in=GIVEN_UP)
    return set(retries.filter(done | Q(pk__in=[row.pk for row in rows])).values_list("retry_of__pk", flat=True))


def _retry_each(request: MemberRequest, rows: Iterable[Generation]) -> tuple[list[Submission], int, str]:
    """Retry until the budget is used up; return the submissions, how many are new, and why the others were left."""
    submissions: list[Submission] = []
    created = 0
    try:
        for row in rows:
            submission, is_new = Submission.objects.retry(row, request.user)
            if submission:
                submissions.append(submission)
            created += is_new
    except OverBudget as error:
        return submissions, created, str(error)
    return submissions, created, ""


@require_POST
def restoration(request: MemberRequest) -> HttpResponse:
    """Restore the videos from the trash."""
    rows = Generation.objects.filter(uuid__in=_selected_uuids(request))
    restored = [row.pk for row in rows if row.may_be_changed_by(request.user) and row.restore(request.user)]
    if not request.htmx:
        return _result(request, f"Restored {_videos(len(restored))}.")
    shown = list(Generation.objects.for_gallery(request.user).filter(pk__in=restored))
    context = {"restored_days": in_days(shown), "usual": usual_seconds(), "counts": counts_for(request.user)}
    return render(request, "gallery/_restored.html", context)


@require_POST
def compare(request: MemberRequest) -> HttpResponse:
    """Redirect to the comparison, whose address names the videos and nothing else of the form."""
    query = urlencode([("v", str(uuid)) for uuid in _selected_uuids(request)[:MAX_COMPARED]])
    return redirect(f"{reverse('compare')}{'?' if query else ''}{query}")


@require_POST
def archive(request: MemberRequest) -> HttpResponseBase:
    """Send the videos as one ZIP."""
    rows = _selected(request)
    try:
        sizes = videos_with_files(rows)
    except OSError as error:
        logger.warning("no archive of %d videos: %s", len(rows), error)
        messages.error(request, delivery.UNAVAILABLE)
        return _redirect_back(request)
    if not sizes:
        messages.info(request, "None of the selected videos is saved yet." if rows else NOTHING_SELECTED)
        return _redirect_back(request)
    stamp = timezone.localtime().strftime("%Y-%m-%d-%H%M")
    members = {download_name(row): row for row in sizes}
    note = _list_of([row for row in rows if row not in sizes])
    try:
        return zip_response(f"lumaweb-{stamp}.zip", members, sizes, note=note)
    except TooManyStreams as error:
        messages.error(request, str(error))
        return _redirect_back(request)


def _list_of(left_out: list[Generation]) -> str:
    """Return a text that lists the videos an archive lacks; "" for none."""
    lines = [f"{row.uuid}  {row.get_state_display()}  {row.prompt[:80]!r}" for row in left_out]
    return "\n".join(["Not saved yet, so not in this archive:", *lines, ""]) if lines else ""
