"""The poll of open pages: fragments of what changed since the last one."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from ..forms import FilterForm
from ..keyset import read_page
from ..models import ApiToken, Event, Filters, Generation, Pool, State
from ..models.state import LONGEST_TRANSACTION
from .collection_lists import have_changed
from .context import counts_for, ready_since
from .filters import FilterBar
from .gallery import PAGE_SIZE, in_days, usual_seconds
from .generation import generation_context
from .params import parse_int, parse_uuid
from .poll import PollState
from .requests import MemberRequest

MAX_NAMED = 800  # characters


@require_GET
def updates(request: MemberRequest) -> HttpResponse:
    """Return what changed since the last poll as out-of-band fragments, or 204."""
    if request.GET.get("hidden") == "1":
        # A hidden tab gets numbers only, and keeps its state: visible again, it asks for everything since.
        context = {"counts": counts_for(request.user), "ready": ready_since(request.user, request.GET.get("seen", ""))}
        return render(request, "gallery/_in_flight.html", context | {"oob": True})
    poll = PollState.read(request)
    only = parse_uuid(request.GET.get("only", ""))
    changed = Generation.objects.changed_since(poll.since)
    pks, next_poll = poll.advance(changed.filter(uuid=only) if only else changed)
    waiting = _waiting(request, only)
    knows_simulated = "simulated" in request.GET
    collections_changed = have_changed(request.GET.get("collections"))
    is_next_day = request.GET.get("day", "") not in ("", timezone.localdate().isoformat())
    # Asked only by pages that say that new videos are simulated: with a real provider an idle poll stays one query.
    is_idle = not (pks or is_next_day) and waiting is None and not collections_changed
    if is_idle and not (knows_simulated and not ApiToken.objects.simulate()):
        return HttpResponse(status=204)
    rows = Generation.objects.filter(pk__in=[*pks, *(waiting or [])])
    updated = list(rows.with_stars_of(request.user).select_related("member", "parent", "token").order_by("-pk"))
    if only:
        context = _video_context(request, updated, only) | {"only": only}
    else:
        context = _gallery_context(request, updated, pks, poll, next_poll)
    context |= {"counts": counts_for(request.user), "poll": next_poll.params(), "usual": usual_seconds()}
    context["pool"] = pool = Pool.current()
    context["simulation_changed"] = pool.simulates != knows_simulated
    context["collections_version"] = request.GET.get("collections")
    if collections_changed:
        context["filter_bar"] = bar = FilterBar(FilterForm(request.GET), request.user)
        context["collections_version"] = bar.collections_version
    return render(request, "gallery/_updates.html", context)


def _waiting(request: MemberRequest, only: UUID | None) -> list[int] | None:
    """Return the queued videos if the reason why they wait changed; None if the page knows it.

    A page sends the reason it knows only while something is queued.
    """
    if "waits" not in request.GET:
        return None
    wait = Pool.current().wait
    if request.GET["waits"] == (wait.key if wait else ""):
        return None
    rows = Generation.objects.filter(uuid=only) if only else Generation.objects.for_gallery()
    return list(rows.filter(state=State.QUEUED).values_list("pk", flat=True)[:PAGE_SIZE])


def _video_context(request: MemberRequest, updated: list[Generation], only: UUID) -> dict[str, Any]:
    """Return the changes for the page of one video."""
    if updated and updated[0].trashed_at:
        return {"trashed": updated[0], "may_restore": updated[0].may_be_changed_by(request.user)}
    return _detail_context(request, updated, only, in_dialog=False)


def _detail_context(
    request: MemberRequest, updated: list[Generation], uuid: UUID | None, *, in_dialog: bool
) -> dict[str, Any]:
    """Return the context of the open video, if it is among the changed ones."""
    detail = next((row for row in updated if row.uuid == uuid), None)
    if not detail:
        return {}
    if detail.trashed_at:
        return {"trashed": detail, "may_restore": detail.may_be_changed_by(request.user), "in_dialog": in_dialog}
    return generation_context(detail, request.user) | {"detail": detail, "in_dialog": in_dialog}


def _gallery_context(
    request: MemberRequest, updated: list[Generation], pks: list[int], poll: PollState, next_poll: PollState
) -> dict[str, Any]:
    """Return the changes for the gallery, and set `newest` of the next poll."""
    newest = poll.newest
    shown = [row for row in updated if not row.trashed_at]
    filters = FilterForm(request.GET).filters(request.user)
    gallery = Generation.objects.for_gallery(request.user, filters)
    created = _created(gallery, [row.pk for row in shown if row.pk > newest])
    at_top = request.GET.get("top") == "1"
    if created and at_top:
        # All that the page lacks, including those it was only told the number of before it was at its top.
        page = read_page(gallery.filter(pk__gt=newest), PAGE_SIZE)
        created = page.rows
        at_top = not page.has_more  # more than a page of them stays behind the pill
    # At the top they are shown now. Behind the pill they count as new until they are loaded.
    next_poll.newest = max([newest, *(row.pk for row in created)]) if at_top else newest
    restored_pks = _restored_pks(poll, pks)
    # A restored video may be missing from the page, which puts it in its place if it matches the filters.
    restored = list(gallery.filter(pk__in=restored_pks, pk__lte=newest)) if restored_pks else []
    separate_pks = restored_pks.union(row.pk for row in created if at_top)
    return {
        "changed": [row for row in _on_the_page(request, shown, filters, newest) if row.pk not in separate_pks],
        "restored_days": in_days(restored),
        "gone": [row for row in updated if row.trashed_at],
        "created_days": in_days(created) if at_top else [],
        "new_count": gallery.filter(pk__gt=newest).count() if created and not at_top else 0,
    } | _detail_context(request, updated, parse_uuid(request.GET.get("watch", "")), in_dialog=True)


def _on_the_page(request: MemberRequest, rows: list[Generation], filters: Filters, newest: int) -> list[Generation]:
    """Return those of these videos that the page may show.

    A page names its unfinished videos, as it shows the ones submitted on it whatever its filters are.
    """
    named = {parse_int(pk) for pk in request.GET.get("unfinished", "")[:MAX_NAMED].split()}
    known = {row.pk for row in rows if row.pk <= newest}
    if known and filters.lasting:
        known = set(Generation.objects.filter(pk__in=known).narrowed(filters.lasting).values_list("pk", flat=True))
    return [row for row in rows if row.pk in known | named]


def _created(gallery: Any, pks: list[int]) -> list[Generation]:
    """Return those of these videos that match the page's filters."""
    return list(gallery.filter(pk__in=pks)) if pks else []


def _restored_pks(poll: PollState, pks: list[int]) -> set[int]:
    events = Event.objects.filter(kind="restored", generation__in=pks, at__gte=poll.since - LONGEST_TRANSACTION)
    return set(events.values_list("generation_id", flat=True))
