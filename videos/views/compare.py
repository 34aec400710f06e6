"""Videos side by side, and the team's choice: picked, rejected or neither."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from ..models import Generation
from ..models.state import Archive, Choice
from .context import counts_for
from .navigation import current_path, previous_path
from .params import parse_uuid, parse_uuids
from .poll import PollState
from .requests import MemberRequest

MIN_VIDEOS, MAX_VIDEOS = 2, 4
MAX_REQUESTED = 200
CHOICES = set(Choice.values)
CHOICE_MESSAGES = {"picked": "Picked.", "rejected": "Rejected.", "": "Choice removed."}


def _rows() -> Any:
    return Generation.objects.for_gallery().select_related("member", "parent")


def _requested_videos(request: MemberRequest) -> tuple[list[Generation], list[str]]:
    """Return the videos to show in the requested order, and messages about those that cannot be shown."""
    if takes_of := request.GET.get("takes_of"):
        found = list(_rows().filter(submission__generations__uuid=parse_uuid(takes_of)).order_by("take"))
        missing = 0
    else:
        names = request.GET.getlist("v")
        uuids = parse_uuids(names)
        by_uuid = {row.uuid: row for row in _rows().filter(uuid__in=uuids[:MAX_REQUESTED])}
        found = [by_uuid[uuid] for uuid in uuids if uuid in by_uuid]
        missing = len(set(names)) - len(found)
    saved = [row for row in found if row.archive == Archive.SAVED]
    problems = []
    if missing > 0:
        problems.append(f"{_some(missing)} not available: in the trash, deleted, or never created.")
    if unsaved := len(found) - len(saved):
        problems.append(f"{_some(unsaved)} not saved yet and cannot be played.")
    if len(saved) > MAX_VIDEOS:
        problems.append(f"Showing the first {MAX_VIDEOS} of {len(saved)} videos.")
    return saved[:MAX_VIDEOS], problems


def _some(count: int) -> str:
    return "One of the videos is" if count == 1 else f"{count} of the videos are"


@require_GET
def compare(request: MemberRequest) -> HttpResponse:
    """Show two to four saved videos side by side, or say why there are too few."""
    videos, problems = _requested_videos(request)
    is_enough = len(videos) >= MIN_VIDEOS
    context = {
        "videos": videos if is_enough else [],
        "problems": problems,
        "instructions": "" if is_enough else _instructions(request, len(videos)),
        "are_takes": bool(request.GET.get("takes_of")),
        "query": urlencode([("v", str(row.uuid)) for row in videos]),
        "poll": PollState.now(videos).params(),
    }
    return render(request, "compare/compare.html", context)


def _instructions(request: MemberRequest, count: int) -> str:
    if request.GET.get("takes_of"):
        return "Fewer than two takes are ready. Come back when more are saved."
    lead = "Only one video is left. " if count else ""
    return f"{lead}Select two to four finished videos in the gallery, then choose Compare."


@require_GET
def compare_updates(request: MemberRequest) -> HttpResponse:
    """Return the choices that changed since the last poll, or 204."""
    poll = PollState.read(request)
    rows = Generation.objects.filter(uuid__in=parse_uuids(request.GET.getlist("v"))[:MAX_VIDEOS])
    changed, next_poll = poll.advance(rows.filter(pk__in=Generation.objects.changed_since(poll.since)))
    if not changed:
        return HttpResponse(status=204)
    context = {"changed": rows.filter(pk__in=changed), "poll": next_poll.params(), "counts": counts_for(request.user)}
    return render(request, "compare/_choices.html", context)


@require_POST
def choice(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Pick or reject a video for the team, or remove the choice; picking it may reject `others`.

    `was` undoes an earlier press: the previous choices, as uuid:choice.
    """
    wanted = request.POST.get("choice", "")
    if wanted not in CHOICES:
        raise BadRequest("unknown choice")
    generation = get_object_or_404(_rows(), uuid=uuid)
    if previous := request.POST.getlist("was"):
        pairs = (pair.partition(":") for pair in previous[: MAX_VIDEOS + 1])
        wishes = {name: value for name, _, value in pairs}
        message = "Undone."
    else:
        others = parse_uuids(request.POST.getlist("others"))[:MAX_VIDEOS] if wanted == Choice.PICKED else []
        wishes = {str(uuid): wanted} | {str(other): Choice.REJECTED.value for other in others if other != uuid}
        rest = "the other" if len(wishes) == 2 else f"the other {len(wishes) - 1}"
        message = f"Picked. Rejected {rest}." if others else CHOICE_MESSAGES[wanted]
    uuids, undo = _choose(request, wishes)
    return _choices_response(request, generation, uuids, message, [] if previous else undo)


def _choose(request: MemberRequest, wishes: dict[str, str]) -> tuple[list[str], list[str]]:
    """Set the choices by uuid; return the uuids that exist, and the previous choices of those that changed."""
    rows = {str(row.uuid): row for row in _rows().filter(uuid__in=parse_uuids(list(wishes)))}
    undo = []
    for name, wish in wishes.items():
        row = rows.get(name)
        if row is None or wish not in CHOICES:
            continue
        before = row.choice
        if row.choose(Choice(wish), request.user):
            undo.append(f"{name}:{before}")
    return list(rows), undo


def _choices_response(
    request: MemberRequest, generation: Generation, uuids: Iterable[str], message: str, undo: list[str]
) -> HttpResponse:
    """Answer htmx with the changed choices, their cards in the studio and a toast; redirect any other request."""
    if not request.htmx:
        messages.success(request, message)
        return redirect(previous_path(request) or generation)
    context = {
        "changed": Generation.objects.for_gallery(request.user).filter(uuid__in=uuids),
        "message": message,
        "undo": undo,
        "generation": generation,
        "with_cards": current_path(request).split("?")[0] == "/",
    }
    return render(request, "compare/_choices.html", context)
