"""Clips side by side, and what the team thinks of them: picked, rejected or neither."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from ..models import Generation
from ..models.state import Archive, Choice
from .context import counts_for
from .gallery import Since
from .navigation import current_path, previous_path
from .params import parse_uuid, parse_uuids

AT_LEAST, AT_MOST = 2, 4
CHOICES = set(Choice.values)
SAID = {"picked": "Picked.", "rejected": "Rejected.", "": "Neither picked nor rejected now."}


def _asked_for(request: HttpRequest) -> tuple[list[Generation], list[str]]:
    """The clips to be shown, in the order they were asked for, and words about those that cannot be."""
    if takes_of := request.GET.get("takes_of"):
        one = parse_uuid(takes_of)
        rows = list(_rows().filter(submission__generations__uuid=one).order_by("take"))
        asked = len(rows)
    else:
        asked = len(set(request.GET.getlist("v")))
        found = {row.uuid: row for row in _rows().filter(uuid__in=parse_uuids(request.GET.getlist("v"))[:200])}
        rows = [found[uuid] for uuid in parse_uuids(request.GET.getlist("v")) if uuid in found]
    words = []
    if (missing := asked - len(rows)) > 0:
        words.append(f"{_many(missing)} not here any more: in the trash, deleted, or never made.")
    if unsaved := [row for row in rows if row.archive != Archive.SAVED]:
        words.append(f"{_many(len(unsaved))} not saved here (yet), so there is nothing to play.")
    rows = [row for row in rows if row.archive == Archive.SAVED]
    if len(rows) > AT_MOST:
        words.append(f"These are the first {AT_MOST} of {len(rows)}: more do not fit side by side.")
    return rows[:AT_MOST], words


def _many(count: int) -> str:
    return "One of the videos is" if count == 1 else f"{count} of the videos are"


def _rows():
    return Generation.objects.for_gallery().select_related("member", "parent")


@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """Two to four saved clips side by side, or words why there are none."""
    clips, words = _asked_for(request)
    enough = len(clips) >= AT_LEAST
    context = {
        "clips": clips if enough else [],
        "problems": words,
        "how": "" if enough else _how(request, len(clips)),
        "asked_for_takes": bool(request.GET.get("takes_of")),
        "query": urlencode([("v", row.uuid) for row in clips]),
        "live": Since.now(clips).state(),
    }
    return render(request, "compare/compare.html", context)


def _how(request: HttpRequest, left: int) -> str:
    if request.GET.get("takes_of"):
        return "Fewer than two takes of it are ready. When more are saved, they can be compared here."
    lead = "Only one video is left to look at. " if left else ""
    return f"{lead}Select two to four videos in the studio that are ready, then choose Compare."


@require_GET
def news(request: HttpRequest) -> HttpResponse:
    """What others chose since the page last asked: the verdicts that changed, or 204."""
    since = Since.read(request)
    rows = Generation.objects.filter(uuid__in=parse_uuids(request.GET.getlist("v"))[:AT_MOST])
    told, upto = since.tell(rows.filter(pk__in=Generation.objects.changed_since(since.moment())))
    if not told:
        return HttpResponse(status=204)
    context = {"changed": rows.filter(pk__in=told), "live": upto.state(), "counts": counts_for(request.user)}
    return render(request, "compare/_choices.html", context)


@require_POST
def choice(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """Pick or reject a clip for the team, or take that back; picking it may reject `others`.

    `was` brings back what some were before, as uuid:choice: the Undo of a press before.
    """
    wanted = request.POST.get("choice", "")
    if wanted not in CHOICES:
        raise BadRequest("no such choice")
    generation = get_object_or_404(_rows(), uuid=uuid)
    if backs := request.POST.getlist("was"):
        wishes = dict(back.partition(":")[::2] for back in backs[: AT_MOST + 1])
        words = "Undone."
    else:
        others = parse_uuids(request.POST.getlist("others"))[:AT_MOST] if wanted == Choice.PICKED else []
        wishes = {str(uuid): wanted} | {str(other): Choice.REJECTED.value for other in others if other != uuid}
        rest = "the other" if len(wishes) == 2 else f"the other {len(wishes) - 1}"
        words = f"Picked. Rejected {rest}." if others else SAID[wanted]
    rows = {str(row.uuid): row for row in _rows().filter(uuid__in=parse_uuids(list(wishes)))}
    before = []
    for name, wish in wishes.items():
        row = rows.get(name)
        if row is None or wish not in CHOICES:
            continue
        was = row.choice
        if row.choose(Choice(wish), request.user):
            before.append(f"{name}:{was}")
    return _answer(request, generation, list(rows), words, [] if backs else before)


def _answer(request: HttpRequest, generation: Generation, uuids: list[str], words: str, undo: list[str]):
    """With htmx the verdicts (and cards) as they are now, and a toast that offers to undo it; else the page again."""
    if not request.htmx:
        messages.success(request, words)
        return redirect(previous_path(request) or generation)
    changed = Generation.objects.for_gallery(request.user).filter(uuid__in=uuids)
    context = {
        "changed": changed,
        "words": words,
        "undo": undo,
        "generation": generation,
        "with_cards": current_path(request).split("?")[0] == "/",
    }
    return render(request, "compare/_choices.html", context)
